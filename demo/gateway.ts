/** The gateway of the demo, a running one or its own, and what it is asked: its account, its stores, its keys. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { StoredRecord } from '../exporters/postgres/query.ts'
import type { GatewayStatus } from '../src/status.ts'

const root = join(import.meta.dirname, '..')
const quickstart = join(root, 'config/quickstart.yaml')

export interface DemoGateway {
  readonly http: string
  status(): Promise<GatewayStatus>
  /** The rows of a store that an OTTL condition holds for. */
  query(store: string, where: string): Promise<StoredRecord[]>
  decrypt(rows: readonly StoredRecord[], reason: string): Promise<StoredRecord[]>
  stop(): Promise<void>
}

interface Endpoints {
  readonly http: string
  readonly admin: string
}

/** The gateway that runs on a data directory; undefined where none answers. */
export async function runningGateway(dataDir: string): Promise<DemoGateway | undefined> {
  try {
    const { endpoints } = JSON.parse(readFileSync(join(dataDir, 'gateway.json'), 'utf8')) as { endpoints: Endpoints }
    await statusOf(endpoints)
    return gatewayAt(endpoints, dataDir, async () => {})
  } catch {
    return undefined
  }
}

/** Starts the quickstart on free ports in a folder of its own, which `stop` removes. */
export async function ownGateway(): Promise<DemoGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'douane-demo-'))
  const dataDir = join(folder, 'data')
  const ports = join(folder, 'ports.yaml')
  writeFileSync(ports, freePorts)
  const args = ['run', '--config', quickstart, '--config', ports, '--data-dir', dataDir]
  const child = spawn(process.execPath, [join(root, 'src/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let told = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told += text
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as { msg: string; endpoints: Endpoints }
    if (said.msg === 'ready') return gatewayAt(said.endpoints, dataDir, stop)
  }
  await stop()
  throw new Error(`the gateway did not start\n${told}`)
}

const freePorts = `
receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:0 }, http: { endpoint: 127.0.0.1:0 } } } }
extensions: { health_check: { endpoint: 127.0.0.1:0 }, admin: { endpoint: 127.0.0.1:0 } }
service: { telemetry: { metrics: { endpoint: 127.0.0.1:0 } } }
`

function gatewayAt(endpoints: Endpoints, dataDir: string, stop: () => Promise<void>): DemoGateway {
  const shared = ['--config', quickstart, '--data-dir', dataDir]
  return {
    http: endpoints.http,
    status: () => statusOf(endpoints),
    query: (store, where) => rows([...['query', '--store', store, '--where', where, '--format', 'json'], ...shared]),
    decrypt: (sealed, reason) => rows(['decrypt', '--reason', reason, ...shared], sealed),
    stop,
  }
}

async function statusOf({ admin }: Endpoints): Promise<GatewayStatus> {
  return (await (await fetch(`http://${admin}/v1/status`)).json()) as GatewayStatus
}

/** Runs a verb that reads and prints one JSON object a line. */
async function rows(args: readonly string[], input: readonly StoredRecord[] = []): Promise<StoredRecord[]> {
  const child = spawn(process.execPath, [join(root, 'src/main.ts'), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  child.stdin.end(input.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const found: StoredRecord[] = []
  for await (const line of createInterface({ input: child.stdout })) found.push(JSON.parse(line))
  const [code] = await exited
  if (code !== 0) throw new Error(`douane ${args[0]} ended with ${code}`)
  return found
}
