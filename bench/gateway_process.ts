/** A gateway in a process of its own, with its data in a folder that goes with it; and what CPU time it has used. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Started {
  readonly port: number
  /** Seconds of all its processes, the one above its workers first. */
  cpuSeconds(): number[]
  /** The most resident memory that its first process had, MB. */
  peakMb(): number
  stop(): Promise<void>
}

/** `dir`: on which disk; `flags`: of Node. */
export async function startGateway(config: string, dir: string, flags: readonly string[] = []): Promise<Started> {
  const folder = mkdtempSync(join(dir, '.douane-bench-'))
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, config)
  const main = join(import.meta.dirname, '../src/main.ts')
  const args = [...flags, main, 'run', '--config', file, '--data-dir', join(folder, 'data')]
  const gateway = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const stop = async (): Promise<void> => {
    if (gateway.exitCode === null) {
      gateway.kill()
      await once(gateway, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const port = await portOf(gateway)
    return { port, cpuSeconds: () => cpuOf(gateway.pid!), peakMb: () => peakOf(gateway.pid!), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function portOf(gateway: ChildProcess): Promise<number> {
  const ended = once(gateway, 'exit').then(() => Promise.reject(new Error('the gateway did not start')))
  ended.catch(() => undefined)
  const [line] = (await Promise.race([once(gateway.stdout!, 'data'), ended])) as [Buffer]
  return Number(JSON.parse(line.toString()).endpoints.http.split(':').at(-1))
}

/** CPU seconds that the whole machine has worked. */
export function machineCpuSeconds(): number {
  const [user, nice, system, , , irq, softIrq] = readFileSync('/proc/stat', 'utf8').split(/\s+/).slice(1).map(Number)
  return (user! + nice! + system! + irq! + softIrq!) / 100
}

function cpuOf(pid: number): number[] {
  const [, , , , , , , , , , , user, system] = statOf(pid)
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [(Number(user) + Number(system)) / 100, ...children.flatMap((child) => cpuOf(Number(child)))]
}
/** Fields of proc_pid_stat(5) from the third on; the name before may hold spaces. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
const peakOf = (pid: number): number =>
  Math.round((Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6)
