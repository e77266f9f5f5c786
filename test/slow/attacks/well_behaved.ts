/**
 * A sender with nothing to hide, in a process of its own so that only the gateway can delay it: a small request each
 * 10 ms over one connection, until stdin ends. Then one line: how many, how many were not answered 200, and times.
 */
import http from 'node:http'
import { bytes, record, request } from '../../e2e/requests.ts'

const [host, port] = process.argv[2]!.split(':')
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const body = bytes(request('quiet', [record('a line')]))
const tookMs: number[] = []
const others: Record<string, number> = {}
let isStopped = false
process.stdin.on('end', () => {
  isStopped = true
})
process.stdin.resume()

const once = (): Promise<string> =>
  new Promise((resolve) => {
    const headers = { 'content-type': 'application/x-protobuf' }
    const sent = http.request({ host, port, path: '/v1/logs', method: 'POST', headers, agent }, (response) => {
      response.resume().on('end', () => resolve(String(response.statusCode)))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
    sent.end(body)
  })

while (!isStopped) {
  const start = performance.now()
  const answer = await once()
  tookMs.push(performance.now() - start)
  if (answer !== '200') others[answer] = (others[answer] ?? 0) + 1
  await new Promise((resolve) => setTimeout(resolve, 10))
}
tookMs.sort((a, b) => a - b)
const at = (share: number) => Math.round(tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))]!)
console.log(JSON.stringify({ count: tookMs.length, others, p50: at(0.5), p99: at(0.99), max: at(1) }))
process.exit(0)
