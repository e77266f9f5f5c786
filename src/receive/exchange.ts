/**
 * One HTTP request and its answer, over HTTP/1.1 or HTTP/2.
 *
 * What can be told from the headers is told before a byte of the body is read: path, method, type, coding, declared
 * length, credentials. Every answer but 204 is an ExportLogsServiceResponse or a google.rpc.Status, in the type of the
 * request; in JSON where the request's type is not ours.
 *
 * A client that is refused early may still be writing its body. Closing then would throw the answer away on its side
 * (a reset overtakes it), so we go on reading for a while and throw the bytes away.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { limits } from '../limits.ts'
import type { Credentials } from './authenticate/authenticator.ts'
import type { Gate, Passage } from './authenticate/gate.ts'
import { Body } from './body.ts'
import type { Cors } from './cors.ts'
import { acceptedEncodings, type Encoding, encodingOf } from './inflate.ts'
import { type Arrival, type Intake, memoryOf, noMemory, refusalIn, type Told, take, tooLarge } from './intake.ts'
import {
  badData,
  Code,
  encodeResponse,
  encodeStatus,
  type Refusal,
  responseJson,
  retryAfterSeconds,
  statusJson,
} from './status.ts'
import type { Upload, Uploads } from './uploads.ts'

export type Request = IncomingMessage | Http2ServerRequest
export type Response = ServerResponse | Http2ServerResponse

/** What all exchanges of one server share. */
export interface Door {
  readonly intake: Intake
  readonly gate: Gate
  readonly uploads: Uploads
  readonly cors: Cors | undefined
  readonly path: string
  readonly bodyBytesMax: number
  stopping: boolean
}

const json = 'application/json'
const protobuf = 'application/x-protobuf'
/** The answer to nearly every request. */
const okProtobuf = { 'content-type': protobuf, 'content-length': '0' }

/** A refused body that is declared this small is read to its end, and the connection goes on. */
const shortBodyBytes = 1024 * 1024

export class Exchange implements Upload {
  receivedBytes = 0
  readonly #door: Door
  readonly #req: Request
  readonly #res: Response
  readonly #expectsContinue: boolean
  #json = true
  #encoding: Encoding = 'identity'
  #declared = -1
  #body: Body | undefined
  #answered = false
  #ended = false

  constructor(door: Door, req: Request, res: Response, expectsContinue: boolean) {
    this.#door = door
    this.#req = req
    this.#res = res
    this.#expectsContinue = expectsContinue
  }

  /** Whether the body is still coming in. */
  get receiving(): boolean {
    return !this.#ended && !this.#answered
  }

  /** Whether the answer has been handed to the socket. */
  get finished(): boolean {
    return this.#res.writableFinished
  }

  start(): void {
    const intake = this.#door.intake
    const receivedUnixNano = intake.nowUnixNano()
    const receivedMonotonicNano = intake.monotonicNano()
    const refusal = this.#examine()
    if (refusal !== undefined) {
      this.refuse(refusal)
      return
    }
    if (this.#req.method === 'OPTIONS') {
      this.#preflight()
      return
    }
    const passage = this.#authenticate()
    const go = (known: Passage): void => {
      if ('refusal' in known) this.refuse(known.refusal)
      else this.#receive(known, receivedUnixNano, receivedMonotonicNano)
    }
    if (passage instanceof Promise) passage.then(go, () => this.refuse(defect))
    else go(passage)
  }

  /** Answers with an error, now. */
  refuse(refusal: Refusal): void {
    if (this.#answered) return
    this.#abandon()
    this.#door.intake.refused('http', refusal.reason)
    this.#answerStatus(refusal)
  }

  tooSlow(): void {
    const message = 'The body came too slowly.'
    this.refuse({ reason: 'slow', http: 408, code: Code.DeadlineExceeded, message })
    if (this.#req.httpVersionMajor === 1) this.#req.socket.destroySoon()
  }

  /** What the headers tell. Sets the type first, so that errors are told in it. */
  #examine(): Refusal | undefined {
    const { headers, method, rawHeaders } = this.#req
    const type = headers['content-type']
    const served = type === protobuf || type === json ? type : mediaType(type)
    this.#json = served !== protobuf
    const length = headers['content-length']
    if (length !== undefined) this.#declared = Number(length)
    if (rawHeaders.length > 2 * limits.headersMax) return tooManyHeaders
    if (headers['host'] === undefined && this.#req.httpVersion === '1.1') return noHost
    if (pathOf(this.#req.url) !== this.#door.path) return noSuchPath(this.#door.path)
    if (method === 'OPTIONS' && this.#corsHeaders() !== undefined) return undefined
    if (method !== 'POST') return wrongMethod
    const coding = headers['transfer-encoding']
    if (coding !== undefined && coding.toLowerCase() !== 'chunked') return wrongTransferCoding
    if (served !== protobuf && served !== json) return wrongType
    const encoding = encodingOf(headers['content-encoding'])
    if (encoding === undefined) return wrongEncoding
    this.#encoding = encoding
    if (this.#declared > this.#door.bodyBytesMax) return tooLarge(this.#door.bodyBytesMax)
    return this.#door.stopping ? stopping : undefined
  }

  #authenticate(): Passage | Promise<Passage> {
    const gate = this.#door.gate
    if (gate.open) return gate.anybody
    const { authorization, 'x-api-key': apiKey } = this.#req.headers
    const credentials: Credentials = {
      authorization,
      apiKey: typeof apiKey === 'string' ? apiKey : undefined,
      certificate: () => certificateOf(this.#req.socket as TLSSocket),
    }
    return gate.pass(credentials, addressOf(this.#req))
  }

  #receive(passage: Extract<Passage, { identity: unknown }>, unixNano: bigint, monotonicNano: bigint): void {
    if (this.#req.destroyed) return
    const { intake, bodyBytesMax, uploads } = this.#door
    const { headers } = this.#req
    const arrival: Arrival = {
      json: this.#json,
      encoding: this.#encoding,
      bytesMax: bodyBytesMax,
      sender: { transport: 'http', address: addressOf(this.#req), ...passage.identity },
      headers: {
        ...(headers.date !== undefined && { date: headers.date }),
        ...(headers['user-agent'] !== undefined && { userAgent: headers['user-agent'] }),
      },
      receivedUnixNano: unixNano,
      receivedMonotonicNano: monotonicNano,
    }
    if (this.#expectsContinue) this.#res.writeContinue()
    const body = new Body(memoryOf(intake.pool, arrival.sender), bodyBytesMax, Math.max(0, this.#declared))
    this.#body = body
    uploads.add(this)
    const req = this.#req as IncomingMessage
    req.on('data', (chunk: Buffer) => {
      if (this.#answered) return
      this.receivedBytes += chunk.length
      const appended = body.append(chunk)
      if (appended === 'kept') return
      this.refuse(appended === 'too_large' ? tooLarge(bodyBytesMax) : noMemory(appended))
    })
    req.on('end', () => {
      this.#ended = true
      if (this.#answered) return
      uploads.remove(this)
      this.#body = undefined
      take(intake, arrival, body, (told) => this.#tell(told))
    })
    req.on('close', () => {
      if (!this.#ended) this.#abandon()
    })
  }

  /** Gives back what the body holds. */
  #abandon(): void {
    this.#door.uploads.remove(this)
    this.#body?.release()
    this.#body = undefined
  }

  #tell(told: Told): void {
    if (this.#answered) return
    const refusal = refusalIn(told)
    if (refusal !== undefined) {
      if (told.is === 'refused') this.#door.intake.refused('http', refusal.reason)
      this.#answerStatus(refusal)
      return
    }
    if (told.is === 'ok' && !this.#json && this.#door.cors === undefined && !this.#door.stopping) {
      this.#answered = true
      const res = this.#res as ServerResponse
      res.writeHead(200, okProtobuf)
      res.end()
      return
    }
    const answer = told as Exclude<Told, { is: 'refused' }>
    this.#write(200, {}, this.#json ? Buffer.from(responseJson(answer)) : encodeResponse(answer))
  }

  #answerStatus(refusal: Refusal): void {
    const headers: Record<string, string> = { ...refusal.headers }
    if (refusal.retryAfterMs !== undefined) headers['retry-after'] = String(retryAfterSeconds(refusal.retryAfterMs))
    this.#write(refusal.http, headers, this.#json ? Buffer.from(statusJson(refusal)) : encodeStatus(refusal))
  }

  #preflight(): void {
    this.#write(204, { ...this.#door.cors?.preflight }, undefined)
  }

  #corsHeaders(): Record<string, string> | undefined {
    const origin = this.#req.headers['origin']
    return typeof origin === 'string' ? this.#door.cors?.headers(origin) : undefined
  }

  #write(status: number, more: Record<string, string>, payload: Buffer | undefined): void {
    this.#answered = true
    const headers: Record<string, string> = { ...more, ...this.#corsHeaders() }
    if (payload !== undefined) {
      headers['content-type'] = this.#json ? json : protobuf
      headers['content-length'] = String(payload.length)
    }
    if (this.#req.httpVersionMajor === 2) {
      this.#writeHttp2(status, headers, payload)
      return
    }
    const res = this.#res as ServerResponse
    const short = this.#declared >= 0 && this.#declared <= shortBodyBytes && !this.#expectsContinue
    const early = !this.#req.complete && !short && hasBody(this.#req as IncomingMessage)
    if (early || this.#door.stopping) headers['connection'] = 'close'
    res.writeHead(status, headers)
    if (early) this.#linger(res, payload)
    else res.end(payload)
  }

  #writeHttp2(status: number, headers: Record<string, string>, payload: Buffer | undefined): void {
    const res = this.#res as Http2ServerResponse
    if (res.stream === undefined || res.stream.destroyed || res.stream.closed) return
    res.writeHead(status, headers)
    const { stream } = res
    // An answer before the end of the body: the rest is not wanted (RFC 9113 §8.1).
    stream.once('finish', () => {
      if (!this.#req.complete && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR)
    })
    res.end(payload ?? '')
  }

  /** The answer is out, the connection stays open while the client still writes: bounded in time and bytes. */
  #linger(res: ServerResponse, payload: Buffer | undefined): void {
    if (payload !== undefined) res.write(payload)
    const timer = setTimeout(() => res.end(), limits.lingerMs)
    timer.unref()
    let discarded = 0
    const req = this.#req as IncomingMessage
    req.on('data', (chunk: Buffer) => {
      discarded += chunk.length
      if (discarded > limits.lingerBytesMax) res.end()
    })
    req.on('end', () => res.end())
    req.on('close', () => clearTimeout(timer))
  }
}

const hasBody = (req: IncomingMessage): boolean =>
  req.headers['content-length'] !== undefined || req.headers['transfer-encoding'] !== undefined

/** The media type without parameters, in lower case. */
function mediaType(type: string | undefined): string | undefined {
  if (type === undefined) return undefined
  const end = type.indexOf(';')
  return (end < 0 ? type : type.slice(0, end)).trim().toLowerCase()
}

/** The path of a request target, in origin form or absolute form, without its query. */
function pathOf(target: string | undefined): string {
  if (target === undefined) return ''
  const local = target.startsWith('/') ? target : target.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]*/, '')
  const query = local.indexOf('?')
  return query < 0 ? local : local.slice(0, query)
}

export function addressOf(req: { socket: { remoteAddress?: string | undefined } }): string {
  const address = req.socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

/** Asking a socket for its certificate makes a new object each time. */
const certificates = new WeakMap<TLSSocket, PeerCertificate>()

/** A client's certificate that was verified; undefined without TLS or without one. */
export function certificateOf(socket: TLSSocket): PeerCertificate | undefined {
  if (typeof socket.getPeerCertificate !== 'function' || !socket.authorized) return undefined
  const known = certificates.get(socket)
  if (known !== undefined) return known
  const certificate = socket.getPeerCertificate()
  if (certificate.raw === undefined) return undefined
  certificates.set(socket, certificate)
  return certificate
}

const client = (http: number, code: number, reason: Refusal['reason'], message: string): Refusal => ({
  reason,
  http,
  code,
  message,
})

const defect = client(
  500,
  Code.Internal,
  'failed',
  'The gateway failed on this request. This is a defect of the gateway.',
)
const stopping: Refusal = {
  ...client(503, Code.Unavailable, 'stopping', 'The gateway is stopping.'),
  retryAfterMs: 1000,
}
const tooManyHeaders = client(431, Code.InvalidArgument, 'headers_too_large', 'The request has too many headers.')
const noHost: Refusal = {
  ...badData('A request of HTTP/1.1 has a Host.', 'bad_framing'),
  headers: { connection: 'close' },
}
const wrongMethod: Refusal = {
  ...client(405, Code.Unimplemented, 'method', 'Only POST is served here.'),
  headers: { allow: 'POST' },
}
const wrongTransferCoding = badData('The only transfer coding that is served is chunked.', 'bad_framing')
const wrongType = client(
  415,
  Code.InvalidArgument,
  'unsupported_type',
  `The content type must be ${protobuf} or ${json}.`,
)
const wrongEncoding: Refusal = {
  ...client(415, Code.InvalidArgument, 'unsupported_encoding', `The content codings served are ${acceptedEncodings}.`),
  headers: { 'accept-encoding': acceptedEncodings },
}
const noSuchPath = (path: string): Refusal =>
  client(404, Code.NotFound, 'path', `Nothing is served here. This gateway takes logs only: POST ${path}.`)
