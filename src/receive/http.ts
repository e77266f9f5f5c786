/**
 * The OTLP/HTTP server: sockets, framing and time limits. What a request means is in exchange.ts.
 *
 * HTTP/1.1 by node:http, as strict as its parser is. HTTP/2 on the same port: by ALPN with TLS, by prior knowledge
 * without (the first bytes tell). Bytes that are no HTTP get one plain answer and the connection ends.
 */
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { limits } from '../limits.ts'
import type { Gate } from './authenticate/gate.ts'
import type { HttpConfig } from './config.ts'
import { corsOf } from './cors.ts'
import { type Door, Exchange, type Request, type Response } from './exchange.ts'
import { guard, http2Options } from './http2_guard.ts'
import type { Intake } from './intake.ts'
import { boundConnections, listen } from './listen.ts'
import { badData, Code, type Refusal, statusJson } from './status.ts'
import { loadTls, type Tls } from './tls.ts'
import { Uploads } from './uploads.ts'

export interface Running {
  /** The real `host:port`. */
  readonly endpoint: string
  /** Looks for changed certificates now. */
  reload(): Promise<void>
  /** No new requests; waits for those in progress, at most `limits.receiveStopMs`. */
  stop(): Promise<void>
}

/** The exchange that a socket is busy with, for errors of framing. */
const exchanges = new WeakMap<object, Exchange>()

export async function startHttp(
  config: HttpConfig,
  intake: Intake,
  gate: Gate,
  reloaded: (error: string | undefined) => void,
): Promise<Running> {
  const tls = config.tls && (await loadTls(config.tls, reloaded))
  const uploads = new Uploads()
  const door: Door = {
    intake,
    gate,
    uploads,
    cors: config.cors && corsOf(config.cors),
    path: config.logs_url_path,
    bodyBytesMax: config.max_request_body_size,
    stopping: false,
  }
  const http2Server = http2.createServer(http2Options(limits.streamsMax))
  const server = createServer(config, tls)
  serveHttp1(server, door)
  const sessions = serveHttp2(http2Server, door)
  const silent = divertHttp2(server, http2Server, config)
  boundConnections(server, limits.connectionsMax)
  tls?.keepFresh((context) => (server as https.Server).setSecureContext(context))
  try {
    const endpoint = await listen(server, config.endpoint)
    server.on('error', () => {})
    return {
      endpoint,
      reload: async () => tls?.look(),
      stop: () => stop(server, { sessions, silent }, door, uploads, tls),
    }
  } catch (error) {
    tls?.close()
    uploads.close()
    throw error
  }
}

function createServer(config: HttpConfig, tls: Tls | undefined): http.Server {
  const options: http.ServerOptions = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: config.read_header_timeout,
    requestTimeout: config.read_timeout,
    keepAliveTimeout: config.idle_timeout,
    connectionsCheckingInterval: 1000,
    // A request without it is refused by the exchange: node's own answer has no Status.
    requireHostHeader: false,
    insecureHTTPParser: false,
    noDelay: true,
  }
  const server =
    tls === undefined
      ? http.createServer(options)
      : https.createServer({
          ...options,
          ...tls.context,
          ALPNProtocols: ['h2', 'http/1.1'],
          handshakeTimeout: limits.headersTimeoutMs,
        })
  // Headers beyond the bound are refused by the exchange, not cut off in silence.
  server.maxHeadersCount = 0
  return server
}

function serveHttp1(server: http.Server, door: Door): void {
  const serve = (expects: boolean) => (req: http.IncomingMessage, res: http.ServerResponse) => {
    const exchange = new Exchange(door, req, res, expects)
    exchanges.set(req.socket, exchange)
    exchange.start()
  }
  server.on('request', serve(false))
  server.on('checkContinue', serve(true))
  server.on('checkExpectation', (req, res) => new Exchange(door, req, res, true).refuse(wrongExpectation))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuseFraming(door, error, socket))
}

function serveHttp2(server: http2.Http2Server, door: Door): Set<http2.ServerHttp2Session> {
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    guard(session, { idleMs: limits.http2IdleTimeoutMs })
  })
  server.on('sessionError', () => {})
  const serve = (expects: boolean) => (req: Request, res: Response) => new Exchange(door, req, res, expects).start()
  server.on('request', serve(false))
  server.on('checkContinue', serve(true))
  return sessions
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n')

/**
 * Looks at a connection's first bytes, once; hands it to the HTTP/2 server or to node:http. Gives the connections that
 * have said nothing yet.
 */
function divertHttp2(server: http.Server, http2Server: http2.Http2Server, config: HttpConfig): Set<Socket> {
  const silent = new Set<Socket>()
  const secure = server instanceof https.Server
  const event = secure ? 'secureConnection' : 'connection'
  const serveHttp1 = server.listeners(event)[0] as (socket: Socket) => void
  server.removeListener(event, serveHttp1)
  server.on(event, (socket: Socket) => {
    if (secure) {
      if ((socket as TLSSocket).alpnProtocol === 'h2') http2Server.emit('connection', socket)
      else serveHttp1.call(server, socket)
      return
    }
    silent.add(socket)
    const lost = (): void => {
      silent.delete(socket)
      socket.destroy()
    }
    socket.setTimeout(config.read_header_timeout, lost)
    socket.once('error', lost)
    socket.once('close', lost)
    socket.once('data', (first: Buffer) => {
      socket.pause()
      socket.setTimeout(0, lost)
      socket.off('timeout', lost)
      socket.off('error', lost)
      socket.off('close', lost)
      silent.delete(socket)
      socket.unshift(first)
      const isHttp2 = first.subarray(0, preface.length).equals(preface.subarray(0, first.length)) && first.length >= 3
      if (isHttp2) {
        http2Server.emit('connection', socket)
        return
      }
      serveHttp1.call(server, socket)
      socket.resume()
    })
  })
  return silent
}

/** What node:http cannot parse, or what took too long. */
function refuseFraming(door: Door, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const refusal = framingRefusal(error.code)
  const exchange = exchanges.get(socket)
  if (exchange?.receiving) {
    exchange.refuse(refusal)
    socket.destroySoon()
    return
  }
  door.intake.refused('http', refusal.reason)
  // An answer of an earlier request may be under way: nothing may come between.
  if (exchange !== undefined && !exchange.finished) {
    socket.destroy()
    return
  }
  const payload = statusJson(refusal)
  const head = [
    `HTTP/1.1 ${refusal.http} ${http.STATUS_CODES[refusal.http]}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(payload)}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${payload}`)
  socket.destroySoon()
}

function framingRefusal(code: string | undefined): Refusal {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        reason: 'headers_too_large',
        http: 431,
        code: Code.InvalidArgument,
        message: 'The headers are too large.',
      }
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return {
        reason: 'too_large',
        http: 413,
        code: Code.ResourceExhausted,
        message: 'Chunk extensions are too large.',
      }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { reason: 'slow', http: 408, code: Code.DeadlineExceeded, message: 'The request came too slowly.' }
    default:
      return badData('These bytes are not a valid HTTP/1.1 request.', 'bad_framing')
  }
}

const wrongExpectation: Refusal = {
  reason: 'bad_framing',
  http: 417,
  code: Code.InvalidArgument,
  message: 'The only expectation that is served is 100-continue.',
}

async function stop(
  server: http.Server,
  { sessions, silent }: { sessions: Set<http2.ServerHttp2Session>; silent: Set<Socket> },
  door: Door,
  uploads: Uploads,
  tls: Tls | undefined,
): Promise<void> {
  door.stopping = true
  tls?.close()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  for (const socket of silent) socket.destroy()
  for (const session of sessions) session.close()
  const timer = setTimeout(() => {
    server.closeAllConnections()
    for (const session of sessions) session.destroy()
  }, limits.receiveStopMs)
  await closed
  clearTimeout(timer)
  uploads.close()
}
