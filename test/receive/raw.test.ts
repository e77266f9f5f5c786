/**
 * Bytes on a socket: framing, chunks, expectations, pipelining, smuggling, slow and hostile clients.
 * Tests bear the ids of the OTLP rules.
 */
import net from 'node:net'
import zlib from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, type Harness, later, protobufType, raw, startHarness, until } from './harness.ts'

const MiB = 1024 * 1024
let harness: Harness
beforeAll(async () => {
  harness = await startHarness({
    protocols: {
      http: {
        endpoint: '127.0.0.1:0',
        max_request_body_size: '2MiB',
        read_header_timeout: '600ms',
        read_timeout: '900ms',
        idle_timeout: '200ms',
      },
    },
  })
})
afterAll(() => harness.receiver.stop())
beforeEach(() => {
  harness.seen.length = 0
  harness.refused.length = 0
  harness.answer = () => ({ is: 'ok' })
})
const head = (...lines: string[]): string =>
  ['POST /v1/logs HTTP/1.1', 'Host: a', 'Content-Type: application/x-protobuf', ...lines, '', ''].join('\r\n')
const close = 'Connection: close'
const statuses = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => match[1]!)
const bodies = (): string[] => harness.seen.map((seen) => seen.body.toString())
const alive = async (): Promise<void> => {
  expect((await ask(harness.http, { headers: protobufType, body: 'alive' })).status).toBe(200)
}

describe('chunks', () => {
  it.each([
    ['chunked.one', ['5\r\nhello\r\n0\r\n\r\n']],
    ['chunked.small', ['1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n']],
    ['chunked.odd', ['3\r\nhel\r\n002\r\nlo\r\n000\r\n\r\n']],
    ['chunked.extension-trailer', ['5;name="value"\r\nhello\r\n0\r\nX-Trailer: y\r\n\r\n']],
  ])('%s', async (_, pieces) => {
    const { text } = await raw(harness.http, [head('Transfer-Encoding: chunked', close), ...pieces])
    expect(statuses(text)).toEqual(['200'])
    expect(bodies()).toEqual(['hello'])
  })

  it('chunked.pieces: a request that trickles in, byte by byte', async () => {
    const whole = `${head('Transfer-Encoding: chunked', close)}5\r\nhello\r\n0\r\n\r\n`
    const { text } = await raw(harness.http, whole.split(''), 2000, 1)
    expect(statuses(text)).toEqual(['200'])
    expect(bodies()).toEqual(['hello'])
  })
})

describe('bad framing is refused, and nothing of it is delivered', () => {
  it.each([
    ['framing.bad-chunk', head('Transfer-Encoding: chunked'), 'xyz\r\nhello\r\n0\r\n\r\n'],
    ['a chunk longer than it says', head('Transfer-Encoding: chunked'), '3\r\nhello\r\n0\r\n\r\n'],
    ['a chunk size of 2^64', head('Transfer-Encoding: chunked'), '10000000000000000\r\nhello\r\n'],
    ['endless chunk extensions', head('Transfer-Encoding: chunked'), `5;${'x'.repeat(70_000)}\r\nhello\r\n0\r\n\r\n`],
    ['framing.bad-coding', head('Transfer-Encoding: gzip'), 'hello'],
    ['framing.bad-coding, chunked last', head('Transfer-Encoding: gzip, chunked'), '5\r\nhello\r\n0\r\n\r\n'],
    ['chunked twice', head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), '5\r\nhello\r\n0\r\n\r\n'],
    ['framing.bad-length', head('Content-Length: five'), 'hello'],
    ['framing.negative-length', head('Content-Length: -5'), 'hello'],
    ['a length with a plus sign', head('Content-Length: +5'), 'hello'],
    ['a length of 2^64', head('Content-Length: 18446744073709551616'), 'hello'],
    ['framing.two-lengths', head('Content-Length: 5', 'Content-Length: 6'), 'hello!'],
    ['two lengths in a list', head('Content-Length: 5, 6'), 'hello!'],
    ['framing.length-and-chunked', head('Content-Length: 5', 'Transfer-Encoding: chunked'), '5\r\nhello\r\n0\r\n\r\n'],
    ['a space before the colon', head('Content-Length : 5'), 'hello'],
    ['a folded header', head('X-Folded: a\r\n b', 'Content-Length: 5'), 'hello'],
    ['a bare line feed in the headers', head('X-A: b\nContent-Length: 5'), 'hello'],
    ['a NUL in a header', head('X-A: b\0c', 'Content-Length: 5'), 'hello'],
    [
      'framing.no-host',
      'POST /v1/logs HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: 5\r\n\r\n',
      'hello',
    ],
    ['framing.garbage', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'garbage'],
    ['an HTTP/2 preface that goes wrong', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'x'.repeat(100)],
    ['a version that is none', 'POST /v1/logs HTTP/9.9\r\nHost: a\r\n\r\n', ''],
  ])('%s', async (_, headers, body) => {
    const { text, closed } = await raw(harness.http, [headers, body], 1800, 5)
    for (const status of statuses(text)) expect(status).toMatch(/^(?:4\d\d|505)$/)
    expect(closed).toBe(true)
    expect(bodies()).toEqual([])
    expect(harness.receiver.inflightBytes()).toBe(0)
    await alive()
  })

  it.each([
    ['is what node:http cannot parse', 'GARBAGE\r\n\r\n'],
    ['has no Host', 'POST /v1/logs HTTP/1.1\r\n\r\n'],
  ])('the answer is a Status, also to a request that %s', async (_, bytes) => {
    const { text } = await raw(harness.http, [bytes])
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({ code: 3 })
    expect(text).not.toContain('GARBAGE')
    expect(harness.refused).toEqual(['http bad_framing'])
  })

  it('no request is smuggled in the body of another', async () => {
    const inner = `${head('Content-Length: 5')}inner`
    const { text } = await raw(
      harness.http,
      [`${head('Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n${inner}`],
      500,
    )
    expect(statuses(text)).toEqual(['400'])
    expect(bodies()).toEqual([])
  })
})

describe('headers', () => {
  it('headers.huge, headers.431: 431 with a Status', async () => {
    const { text } = await raw(harness.http, [head(`X-Huge: ${'h'.repeat(100_000)}`, 'Content-Length: 0')])
    expect(statuses(text)).toEqual(['431'])
    expect(harness.refused).toEqual(['http headers_too_large'])
    await alive()
  })

  it('headers.too-many: refused, not cut off in silence', async () => {
    const many = Array.from({ length: 1000 }, (_, n) => `x${n}: y`)
    const { text } = await raw(harness.http, [head(...many, 'Content-Length: 0', close)])
    expect(statuses(text)).toEqual(['431'])
    await alive()
  })
})

describe('expectations', () => {
  const expects = 'Expect: 100-continue'
  it('expect.continue: 100, then the answer', async () => {
    const { text } = await raw(harness.http, [head(expects, 'Content-Length: 5', close), 'hello'], 2000, 50)
    expect(statuses(text)).toEqual(['100', '200'])
    expect(bodies()).toEqual(['hello'])
  })

  it('expect.no-wait: the client need not wait', async () => {
    const { text } = await raw(harness.http, [`${head(expects, 'Content-Length: 5', close)}hello`])
    expect(statuses(text).at(-1)).toBe('200')
    expect(bodies()).toEqual(['hello'])
  })

  it.each([
    ['expect.oversize', head(expects, `Content-Length: ${3 * MiB}`), '413'],
    ['expect.unsupported-type', head(expects, 'Content-Length: 5').replace('x-protobuf', 'x-tar'), '415'],
    ['another expectation', head('Expect: a-miracle', 'Content-Length: 5'), '417'],
  ])('%s: refused before the body is sent', async (_, headers, status) => {
    const { text } = await raw(harness.http, [headers], 200)
    expect(statuses(text)).toEqual([status])
  })

  it('limit.early: a declared oversize body is refused before it is sent', async () => {
    const { text } = await raw(harness.http, [head(`Content-Length: ${3 * MiB}`)], 200)
    expect(statuses(text)).toEqual(['413'])
    expect(text.toLowerCase()).toContain('connection: close')
  })
})

describe('connections', () => {
  it('conn.pipelining: answers in the order of the requests', async () => {
    let n = 0
    harness.answer = async () => {
      const turn = n++
      await later(30 - turn * 10)
      return turn === 1 ? { is: 'bad', message: 'second' } : { is: 'ok' }
    }
    const request = (text: string, ...more: string[]) => `${head('Content-Length: 3', ...more)}${text}`
    const { text } = await raw(harness.http, [request('one') + request('two') + request('six', close)])
    expect(statuses(text)).toEqual(['200', '400', '200'])
    expect(bodies()).toEqual(['one', 'two', 'six'])
  })

  it('conn.close and conn.http-1.0', async () => {
    const closing = await raw(harness.http, [`${head('Content-Length: 5', close)}hello`], 150)
    expect(closing.closed).toBe(true)
    const old = head('Content-Length: 5').replace('HTTP/1.1', 'HTTP/1.0')
    const answered = await raw(harness.http, [`${old}hello`], 150)
    expect(answered).toMatchObject({ closed: true, text: expect.stringMatching(/^HTTP\/1\.1 200/) })
  })

  it('conn.abort: 100 clients go away inside a body; nothing of theirs is delivered, nothing is held', async () => {
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const socket = net.connect(harness.http.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.write(head('Content-Length: 100000'))
        socket.write('x'.repeat(n * 500))
        await later(20 + (n % 10))
        if (n % 2) socket.destroy()
        else socket.resetAndDestroy()
      }),
    )
    await until(() => harness.receiver.inflightBytes() === 0)
    expect(bodies()).toEqual([])
    await alive()
  })

  it('conn.many: 600 open connections, and others are served', async () => {
    const sockets = Array.from({ length: 600 }, () => net.connect(harness.http.port, '127.0.0.1').on('error', () => {}))
    await later(50)
    await alive()
    for (const socket of sockets) socket.destroy()
  })
})

describe('time limits', () => {
  it.each([
    ['timeout.silent', [], '408'],
    ['timeout.headers', ['POST /v1/logs HTTP/1.1\r\nHost: a\r\n'], '408'],
    ['timeout.headers-drip', [...head('X-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').slice(0, 60)], '408'],
    ['timeout.body', [head('Content-Length: 10'), 'hell'], '408'],
    ['timeout.body-drip', [head('Content-Length: 60'), ...'x'.repeat(59)], '408'],
  ])('%s: the connection is ended', async (name, pieces, status) => {
    const { text, closed } = await raw(harness.http, pieces, 4000, name.endsWith('drip') ? 60 : 0)
    expect(closed).toBe(true)
    if (text !== '') expect(statuses(text)).toEqual([status])
    expect(bodies()).toEqual([])
  })

  it('timeout.idle: a connection without a request is closed after a while', async () => {
    const { text, closed } = await raw(harness.http, [`${head('Content-Length: 5')}hello`], 4000)
    expect(statuses(text)).toEqual(['200'])
    expect(closed).toBe(true)
  })

  it('conn.slow-loris: 200 clients that drip do not slow the others', async () => {
    let dripping = true
    const sockets = Array.from({ length: 200 }, () => {
      const socket = net.connect(harness.http.port, '127.0.0.1').on('error', () => {})
      socket.write('POST /v1/logs HTTP/1.1\r\n')
      return socket
    })
    const drip = (async () => {
      while (dripping) {
        for (const socket of sockets) socket.write('X: y\r\n')
        await later(100)
      }
    })()
    const times: number[] = []
    for (let n = 0; n < 20; n++) {
      const start = performance.now()
      await alive()
      times.push(performance.now() - start)
    }
    dripping = false
    await drip
    for (const socket of sockets) socket.destroy()
    expect(Math.max(...times)).toBeLessThan(500)
  })
})

describe('memory', () => {
  it('limit.bomb, limit.bomb-memory: 4 bombs of 256 MiB are refused, and memory stays flat', async () => {
    const zeros = Buffer.alloc(16 * MiB)
    const bomb = zlib.gzipSync(Buffer.concat(Array(16).fill(zeros)), { level: 1 })
    const before = process.memoryUsage().rss
    let peak = before
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss)
    }, 5)
    const headers = { ...protobufType, 'content-encoding': 'gzip' }
    const replies = await Promise.all([1, 2, 3, 4].map(() => ask(harness.http, { headers, body: bomb })))
    clearInterval(watch)
    expect(replies.map(({ status }) => status)).toEqual([413, 413, 413, 413])
    expect(peak - before).toBeLessThan(100 * MiB)
  })

  it('beyond the memory for all bodies: 503 and Retry-After; beyond a sender’s own part: 429; and it recovers', async () => {
    const small = await startHarness({
      protocols: { http: { endpoint: '127.0.0.1:0', max_request_body_size: '1MiB' } },
      max_inflight_body_size: '1MiB',
    })
    const held: (() => void)[] = []
    small.answer = () => new Promise((resolve) => held.push(() => resolve({ is: 'ok' })))
    const body = Buffer.alloc(400_000)
    const first = ask(small.http, { headers: protobufType, body })
    await until(() => held.length === 1)
    const packed = zlib.gzipSync(body)
    const gzip = { ...protobufType, 'content-encoding': 'gzip' }
    const json = { 'content-type': 'application/json' }
    const refused = await ask(small.http, { headers: protobufType, body })
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
    expect((await ask(small.http, { headers: gzip, body: packed })).status).toBe(429)
    expect((await ask(small.http, { headers: json, body: Buffer.alloc(400_000, ' ') })).status).toBe(429)
    const other = { ...small.http, localAddress: '127.0.0.2' }
    const full = await ask(other, { headers: protobufType, body })
    expect(full).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    const little = ask(other, { headers: protobufType, body: body.subarray(0, 100_000) })
    await until(() => held.length === 2)
    for (const release of held) release()
    expect((await Promise.all([first, little])).map(({ status }) => status)).toEqual([200, 200])
    expect(small.receiver.inflightBytes()).toBe(0)
    small.answer = () => ({ is: 'ok' })
    expect((await ask(small.http, { headers: gzip, body: packed })).status).toBe(200)
    expect(small.refused).toEqual([...Array(3).fill('http memory_share'), 'http memory'])
    await small.receiver.stop()
  })

  it('a declared length without bytes holds no memory', async () => {
    const sockets = Array.from({ length: 50 }, () => {
      const socket = net.connect(harness.http.port, '127.0.0.1').on('error', () => {})
      socket.write(head(`Content-Length: ${2 * MiB}`))
      return socket
    })
    await later(50)
    expect(harness.receiver.inflightBytes()).toBe(0)
    for (const socket of sockets) socket.destroy()
  })
})
