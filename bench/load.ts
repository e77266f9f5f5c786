/**
 * Load over HTTP from a process of its own: connections that stay open, each waiting for its answer; bodies are made
 * beforehand. The gateways under load take turns: one is loaded for a while, then the next, over the same connections.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { payloads } from './payload.ts'

export interface Order {
  /** The connections are spread over them. */
  readonly ports: readonly number[]
  readonly connections: number
  /** Records of one request. */
  readonly records: number
  readonly seconds: number
}
export interface Loaded {
  readonly requests: number
  readonly seconds: number
  /** Of the load itself. */
  readonly cpuSeconds: number
  /** Until an answer. */
  readonly p50Ms: number
  readonly p99Ms: number
}

export class Load {
  readonly #child: ChildProcess = fork(import.meta.filename, ['--child'])

  async run(order: Order): Promise<Loaded> {
    const answer = once(this.#child, 'message')
    this.#child.send(order)
    const [loaded] = (await answer) as [Loaded | { failed: string }]
    if ('failed' in loaded) throw new Error(loaded.failed)
    return loaded
  }
  stop(): void {
    this.#child.kill()
  }
}

const bodiesOf = new Map<number, Buffer[]>()
function requests(records: number): Buffer[] {
  const known = bodiesOf.get(records)
  if (known !== undefined) return known
  const made = payloads(records).map((body) => {
    const head = `POST /v1/logs HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: ${body.length}\r\n\r\n`
    return Buffer.concat([Buffer.from(head), body])
  })
  bodiesOf.set(records, made)
  return made
}

const open = new Map<string, net.Socket>()
/** The connection of that number; opened anew where it was idle for too long. */
async function connection(port: number, n: number): Promise<net.Socket> {
  const key = `${port} ${n}`
  const known = open.get(key)
  if (known?.writable) return known
  const socket = net.connect(port, '127.0.0.1').setNoDelay()
  open.set(key, socket)
  await once(socket, 'connect')
  return socket
}

async function carryOut({ ports, connections, records, seconds }: Order): Promise<Loaded> {
  const bodies = requests(records)
  const sockets = await Promise.all(
    Array.from({ length: connections }, (_, n) => connection(ports[n % ports.length]!, n)),
  )
  const tookMs: number[] = []
  const before = process.cpuUsage()
  const startMs = performance.now()
  const endMs = startMs + seconds * 1000
  const run = async (socket: net.Socket, n: number): Promise<void> => {
    for (let i = n; performance.now() < endMs; i++) {
      const sentMs = performance.now()
      socket.write(bodies[i % bodies.length]!)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      if (answer.toString('latin1', 9, 12) !== '200') throw new Error(answer.toString('latin1', 0, 200))
      tookMs.push(performance.now() - sentMs)
    }
  }
  await Promise.all(sockets.map(run))
  const { user, system } = process.cpuUsage(before)
  const took = (performance.now() - startMs) / 1000
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => tookMs[Math.floor(tookMs.length * share)]!
  return {
    requests: tookMs.length,
    seconds: took,
    cpuSeconds: (user + system) / 1e6,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  }
}

if (process.argv[2] === '--child') {
  process.on('message', (order: Order) => {
    const failed = (error: Error) => process.send!({ failed: error.message })
    carryOut(order).then((loaded) => process.send!(loaded), failed)
  })
}
