/** A gateway's server in two workers, for connections.test.ts: each takes two connections. Says what became of the others. */
import cluster from 'node:cluster'
import net from 'node:net'
import { setTimeout as later } from 'node:timers/promises'
import { boundConnections, listen } from '../../src/receive/listen.ts'

async function worker(): Promise<void> {
  const server = net.createServer(() => {})
  boundConnections(server, 2)
  process.send!(await listen(server, '127.0.0.1:0'))
}

async function primary(): Promise<void> {
  const endpoints = [cluster.fork(), cluster.fork()].map(
    (one) => new Promise<string>((resolve) => one.on('message', (message) => resolve(String(message)))),
  )
  const [endpoint] = await Promise.all(endpoints)
  let closed = 0
  for (let n = 0; n < 8; n++) {
    const socket = net.connect(Number(endpoint!.split(':')[1]), '127.0.0.1')
    socket.on('error', () => {}).on('close', () => closed++)
  }
  for (let waited = 0; closed < 4 && waited < 200; waited++) await later(25)
  const before = process.cpuUsage()
  await later(300)
  const { user, system } = process.cpuUsage(before)
  process.stdout.write(JSON.stringify({ closed, busyMs: (user + system) / 1000 }))
  process.exit()
}

await (cluster.isPrimary ? primary() : worker())
