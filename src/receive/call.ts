/**
 * One gRPC call and its answer.
 *
 *   request   HEADERS (:path, content-type, grpc-encoding, authorization …)
 *             DATA    compressed flag (1 byte)  length (4 bytes, big endian)  message
 *   response  HEADERS (:status 200, content-type)  DATA (same frame)  trailers (grpc-status, grpc-message,
 *             grpc-status-details-bin); an error has its trailers in the first HEADERS
 *
 * As with HTTP, what can be told from the headers, and from the message's declared length, is told before its bytes
 * are read. RESOURCE_EXHAUSTED goes without RetryInfo where a repetition cannot help (too large), with it where it can.
 */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Sender } from './accept.ts'
import type { Credentials } from './authenticate/authenticator.ts'
import type { Gate, Passage } from './authenticate/gate.ts'
import { Body } from './body.ts'
import { addressOf, certificateOf } from './exchange.ts'
import { type Encoding, encodingOf } from './inflate.ts'
import { type Arrival, type Intake, memoryOf, noMemory, refusalIn, type Told, take, tooLarge } from './intake.ts'
import { badData, Code, encodeResponse, encodeStatus, type Refusal, retryable } from './status.ts'
import type { Upload, Uploads } from './uploads.ts'

export interface GrpcDoor {
  readonly intake: Intake
  readonly gate: Gate
  readonly uploads: Uploads
  readonly messageBytesMax: number
  stopping: boolean
}

const service = 'opentelemetry.proto.collector.logs.v1.LogsService'
const exportPath = `/${service}/Export`
const frameBytes = 5

export class Call implements Upload {
  receivedBytes = 0
  readonly #door: GrpcDoor
  readonly #stream: ServerHttp2Stream
  readonly #headers: IncomingHttpHeaders
  #encoding: Encoding = 'identity'
  /** The five bytes before the message, as they come. */
  readonly #frame = Buffer.alloc(frameBytes)
  #frameLength = 0
  #messageLength = -1
  #body: Body | undefined
  #stop: (() => void) | undefined
  #answered = false

  constructor(door: GrpcDoor, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#door = door
    this.#stream = stream
    this.#headers = headers
  }

  start(): void {
    const { intake, gate } = this.#door
    const receivedUnixNano = intake.nowUnixNano()
    const receivedMonotonicNano = intake.monotonicNano()
    // Resets and lost connections come as errors of the stream; `close` follows and cleans up.
    this.#stream.on('error', () => {})
    this.#stream.on('close', () => this.#abandon())
    const refusal = this.#examine()
    if (refusal !== undefined) {
      this.refuse(refusal)
      return
    }
    const go = (known: Passage): void => {
      if ('refusal' in known) this.refuse(known.refusal)
      else this.#receive(known, receivedUnixNano, receivedMonotonicNano)
    }
    const passage = gate.open ? gate.anybody : gate.pass(this.#credentials(), this.#address())
    if (passage instanceof Promise) passage.then(go, () => this.refuse(defect))
    else go(passage)
  }

  refuse(refusal: Refusal): void {
    if (this.#answered) return
    this.#door.intake.refused('grpc', refusal.reason)
    this.#abandon()
    this.#fail(refusal)
  }

  tooSlow(): void {
    const message = 'The message came too slowly.'
    this.refuse({ reason: 'slow', http: 408, code: Code.DeadlineExceeded, message })
  }

  #examine(): Refusal | undefined {
    const type = this.#headers['content-type'] ?? ''
    if (this.#headers[':method'] !== 'POST' || !/^application\/grpc(?:$|[+;])/i.test(type)) return notGrpc
    if (/^application\/grpc\+(?!proto\b)/i.test(type)) return wrongCodec
    if (this.#headers[':path'] !== exportPath) return unimplemented
    const encoding = encodingOf(this.#headers['grpc-encoding'] as string | undefined)
    if (encoding === undefined) return wrongEncoding
    this.#encoding = encoding
    return this.#door.stopping ? stopping : undefined
  }

  #credentials(): Credentials {
    const { authorization, 'x-api-key': apiKey } = this.#headers
    return {
      authorization,
      apiKey: typeof apiKey === 'string' ? apiKey : undefined,
      certificate: () => {
        const socket = this.#stream.session?.socket
        return socket && certificateOf(socket as TLSSocket)
      },
    }
  }

  #address(): string {
    const socket = this.#stream.session?.socket
    return socket === undefined ? '' : addressOf({ socket })
  }

  #receive(passage: Extract<Passage, { identity: unknown }>, unixNano: bigint, monotonicNano: bigint): void {
    if (this.#stream.destroyed || this.#stream.closed) return
    const { date, 'user-agent': userAgent } = this.#headers
    const received = {
      json: false,
      bytesMax: this.#door.messageBytesMax,
      sender: { transport: 'grpc' as const, address: this.#address(), ...passage.identity },
      headers: { ...(date !== undefined && { date }), ...(userAgent !== undefined && { userAgent }) },
      receivedUnixNano: unixNano,
      receivedMonotonicNano: monotonicNano,
    }
    this.#door.uploads.add(this)
    this.#stream.on('data', (chunk: Buffer) => {
      if (this.#answered) return
      this.receivedBytes += chunk.length
      const refusal = this.#read(chunk, received.sender)
      if (refusal !== undefined) this.refuse(refusal)
    })
    this.#stream.on('end', () => {
      if (this.#answered || this.#stream.aborted) return
      this.#door.uploads.remove(this)
      const body = this.#body
      this.#body = undefined
      if (body === undefined || body.length !== this.#messageLength) {
        body?.release()
        this.refuse(badData('The call ended before its message did.', 'bad_framing'))
        return
      }
      const compressed = this.#frame[0] === 1 ? this.#encoding : 'identity'
      this.#stop = take(this.#door.intake, { ...received, encoding: compressed } satisfies Arrival, body, (told) =>
        this.#tell(told),
      )
    })
  }

  /** Takes the next bytes of the frame and of the message. */
  #read(chunk: Buffer, sender: Sender): Refusal | undefined {
    let rest = chunk
    if (this.#frameLength < frameBytes) {
      const taken = rest.copy(this.#frame, this.#frameLength, 0, frameBytes - this.#frameLength)
      this.#frameLength += taken
      if (this.#frameLength < frameBytes) return undefined
      rest = rest.subarray(taken)
      const refusal = this.#startMessage(sender)
      if (refusal !== undefined) return refusal
    }
    if (rest.length === 0) return undefined
    if (this.#body!.length + rest.length > this.#messageLength) {
      return badData('A unary call holds more than one message.', 'bad_framing')
    }
    const appended = this.#body!.append(rest)
    if (appended === 'kept') return undefined
    return appended === 'too_large' ? tooLarge(this.#door.messageBytesMax) : noMemory(appended)
  }

  #startMessage(sender: Sender): Refusal | undefined {
    const flag = this.#frame[0]!
    if (flag > 1 || (flag === 1 && this.#encoding === 'identity')) {
      return badData('The message is marked as compressed, but no grpc-encoding tells how.', 'bad_framing')
    }
    this.#messageLength = this.#frame.readUInt32BE(1)
    const { intake, messageBytesMax } = this.#door
    if (this.#messageLength > messageBytesMax) return tooLarge(messageBytesMax)
    this.#body = new Body(memoryOf(intake.pool, sender), messageBytesMax, this.#messageLength)
    return undefined
  }

  /** Gives back what is held, and stops what is being done for a client that is gone or refused. */
  #abandon(): void {
    this.#door.uploads.remove(this)
    this.#body?.release()
    this.#body = undefined
    this.#stop?.()
    this.#stop = undefined
  }

  #tell(told: Told): void {
    this.#stop = undefined
    if (this.#answered) return
    const refusal = refusalIn(told)
    if (refusal !== undefined) {
      if (told.is === 'refused') this.#door.intake.refused('grpc', refusal.reason)
      this.#fail(refusal)
      return
    }
    this.#answered = true
    const stream = this.#stream
    if (stream.destroyed || stream.closed) return
    const message = encodeResponse(told as Exclude<Told, { is: 'refused' }>)
    const framed = Buffer.alloc(frameBytes + message.length)
    framed.writeUInt32BE(message.length, 1)
    message.copy(framed, frameBytes)
    stream.respond(responseHeaders, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(framed)
  }

  /** An error: trailers only. */
  #fail(refusal: Refusal): void {
    this.#answered = true
    const stream = this.#stream
    if (stream.destroyed || stream.closed) return
    stream.respond(refusal === notGrpc ? { ':status': 415 } : trailersOnly(refusal), { endStream: true })
    // The rest of the message is not wanted (RFC 9113 §8.1); what is on the way is thrown away.
    stream.resume()
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR)
  }
}

const responseHeaders: OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': 'identity,gzip,deflate,zstd',
}

function trailersOnly(refusal: Refusal): OutgoingHttpHeaders {
  return {
    ...responseHeaders,
    ...refusal.headers,
    'grpc-status': String(refusal.code),
    'grpc-message': percentEncoded(refusal.message),
    'grpc-status-details-bin': encodeStatus(refusal).toString('base64'),
  }
}

/** grpc-message: UTF-8, everything but printable ASCII and `%` itself as `%XX`. */
function percentEncoded(message: string): string {
  return message.replace(/[^ -$&-~]+/gu, (part) =>
    Array.from(Buffer.from(part), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

const notServed = `Only ${service}/Export is served: this gateway takes logs.`
const unimplemented: Refusal = { reason: 'path', http: 404, code: Code.Unimplemented, message: notServed }
const notGrpc: Refusal = { reason: 'unsupported_type', http: 415, code: Code.InvalidArgument, message: '' }
const wrongCodec: Refusal = {
  reason: 'unsupported_type',
  http: 415,
  code: Code.Unimplemented,
  message: 'Messages must be protobuf: application/grpc or application/grpc+proto.',
}
const wrongEncoding: Refusal = {
  reason: 'unsupported_encoding',
  http: 415,
  code: Code.Unimplemented,
  message: 'The message encodings served are gzip, deflate, zstd.',
}
const stopping = retryable('stopping', 503, Code.Unavailable, 'The gateway is stopping.', 1000)
const defect: Refusal = {
  reason: 'failed',
  http: 500,
  code: Code.Internal,
  message: 'The gateway failed on this call. This is a defect of the gateway.',
}
