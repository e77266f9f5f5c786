/**
 * How near the receiver is to its ceiling: requests of 200 and 2,000 records of 461 bytes, as protobuf over HTTP/1.1
 * keep-alive, to (a) a node:http server that throws bodies away, and (b) the receiver with an `accept` that says ok.
 *
 * Counted is CPU time (user and system, all threads) of the server process, since wall time depends on what else the
 * machine does. Servers and load run in processes of their own. Rounds alternate between the servers; the best of each
 * is printed, with the ratio.
 *
 *   node bench/receive.ts [--rounds 3] [--mb 400] [--encoding identity|gzip]
 */
import { fork } from 'node:child_process'
import http from 'node:http'
import { parseArgs } from 'node:util'
import zlib from 'node:zlib'
import { receiverSchema } from '../src/receive/config.ts'
import { startReceiver } from '../src/receive/otlp.ts'

const recordBytes = 461
const connections = 4

/** A body of the right size whose bytes compress about as logs do. The receiver does not look inside. */
function bodyOf(records: number): Buffer {
  const line = (n: number) =>
    `{"time":${1_700_000_000 + n},"level":"info","user":"u${(n * 7919) % 1000}","path":"/api/v1/${n}"} `
  let text = ''
  for (let n = 0; text.length < records * recordBytes; n++) text += line(n)
  return Buffer.from(text.slice(0, records * recordBytes))
}

const servers: Record<string, () => Promise<number>> = {
  sink: () =>
    new Promise((resolve) => {
      const server = http.createServer((req, res) => {
        req.on('data', () => {})
        req.on('end', () => res.writeHead(200, { 'content-length': '0' }).end())
      })
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
    }),
  receiver: async () => {
    const receiver = await startReceiver(receiverSchema.parse({ protocols: { http: { endpoint: '127.0.0.1:0' } } }), {
      accept: async () => ({ is: 'ok' }),
      nowUnixNano: () => BigInt(Date.now()) * 1_000_000n,
      monotonicNano: () => process.hrtime.bigint(),
      resolve: (path) => path,
      refused: () => {},
      authFailed: () => {},
      tlsReloaded: () => {},
    })
    return Number(receiver.endpoints.http!.split(':').at(-1))
  },
}

/** In the child: serve, and tell CPU time when asked. */
async function serve(name: string): Promise<void> {
  const port = await servers[name]!()
  process.on('message', () => process.send!({ cpu: process.cpuUsage(), rss: process.memoryUsage().rss }))
  process.send!({ port })
}

interface Usage {
  cpu: { user: number; system: number }
  rss: number
}

async function round(name: string, body: Buffer, requests: number, encoding: string) {
  const child = fork(import.meta.filename, ['--serve', name])
  const next = <Message>() => new Promise<Message>((resolve) => child.once('message', (m) => resolve(m as Message)))
  const { port } = await next<{ port: number }>()
  const usage = (): Promise<Usage> => {
    const answer = next<Usage>()
    child.send('usage')
    return answer
  }
  await load(port, body, Math.ceil(requests / 10), encoding)
  const before = await usage()
  await load(port, body, requests, encoding)
  const after = await usage()
  child.kill()
  const cpuUs = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system
  return { cpuSeconds: cpuUs / 1e6, rss: after.rss }
}

async function load(port: number, body: Buffer, requests: number, encoding: string): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections })
  let left = requests
  const headers = {
    'content-type': 'application/x-protobuf',
    'content-length': body.length,
    ...(encoding !== 'identity' && { 'content-encoding': encoding }),
  }
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const req = http.request({ port, host: '127.0.0.1', method: 'POST', path: '/v1/logs', agent, headers }, (res) => {
        if (res.statusCode !== 200) reject(new Error(`status ${res.statusCode}`))
        res.resume().on('end', resolve)
      })
      req.on('error', reject)
      req.end(body)
    })
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (left-- > 0) await one()
    }),
  )
  agent.destroy()
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      serve: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      mb: { type: 'string', default: '400' },
      encoding: { type: 'string', default: 'identity' },
    },
  })
  if (values.serve !== undefined) return serve(values.serve)
  for (const records of [200, 2000]) {
    const plain = bodyOf(records)
    const body = values.encoding === 'gzip' ? zlib.gzipSync(plain) : plain
    const requests = Math.ceil((Number(values.mb) * 1e6) / plain.length)
    const best: Record<string, number> = {}
    for (let n = 0; n < Number(values.rounds); n++) {
      for (const name of Object.keys(servers)) {
        const { cpuSeconds } = await round(name, body, requests, values.encoding)
        best[name] = Math.max(best[name] ?? 0, (requests * records) / cpuSeconds / 1000)
      }
    }
    const { sink, receiver } = best as { sink: number; receiver: number }
    console.log(
      `${records} records a request: sink ${sink.toFixed(0)}, receiver ${receiver.toFixed(0)} thousand records per CPU second (${((100 * receiver) / sink).toFixed(0)} %)`,
    )
  }
}

await main()
