/**
 * otlp_http: sends batches to an OTLP/HTTP endpoint, as protobuf. docs/exporters.md
 *
 * The way of a batch is short on purpose: its bytes go to undici as they are, on a kept-alive connection; nothing is
 * copied and no stream is made unless the batch is compressed.
 *
 * Outcomes follow the OTLP specification: 2xx is success (partial_success is understood), 429, 502, 503 and 504 are
 * tried again after Retry-After, 413 asks for smaller batches, all other 4xx and 5xx are final. A broken connection
 * and an abort are tried again. Redirects are not followed: records would go where the config did not send them.
 */
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import { z } from 'zod'
import { type Batch, type Exporter, exporter, type Host, type Outcome } from '../src/contract.ts'
import { limits } from '../src/limits.ts'
import { failureCode, outcomeOfResponse, retryAfterMs, unavailable } from './otlp/answer.ts'
import { Credentials } from './otlp/credentials.ts'
import { batchIdHeader, headersOption, requestHeaders, tlsOptions, userAgent } from './otlp/options.ts'

const url = (what: string) =>
  z
    .url({ protocol: /^https?$/, error: 'not a http:// or https:// URL', abort: true })
    .refine((text) => new URL(text).username === '', { error: 'holds a user name: put credentials in headers' })
    .describe(what)

const options = z
  .strictObject({
    endpoint: url('Where the destination listens; /v1/logs is appended.').optional(),
    logs_endpoint: url('The whole URL for logs, instead of endpoint: nothing is appended.').optional(),
    headers: headersOption,
    compression: z
      .enum(['none', 'gzip', 'zstd', 'deflate'])
      .default('gzip')
      .describe('How bodies are compressed. none is the quickest where the network is.'),
    compression_params: z
      .strictObject({
        level: z.int().min(1).max(22).optional().describe('1 is quick; up to 9 (gzip, deflate) or 22 (zstd) is small.'),
      })
      .prefault({})
      .describe('How hard bodies are compressed.'),
    tls: tlsOptions.prefault({}),
  })
  .refine((given) => given.compression === 'zstd' || (given.compression_params.level ?? 1) <= 9, {
    path: ['compression_params', 'level'],
    message: 'must be at most 9 for gzip and deflate',
  })
  .refine((given) => given.endpoint !== undefined || given.logs_endpoint !== undefined, {
    path: ['endpoint'],
    message: 'is missing: where shall records go?',
  })
type Options = z.output<typeof options>

export const otlpHttp = exporter({
  name: 'otlp_http',
  aliases: ['otlphttp'],
  purposes: 'merged',
  config: options,
  create: (given, host) => new OtlpHttp(given, host),
})

/** The path at the destination's end, without a doubled slash. */
function target(given: Options): URL {
  if (given.logs_endpoint !== undefined) return new URL(given.logs_endpoint)
  const base = new URL(given.endpoint!)
  base.pathname = `${base.pathname.replace(/\/+$/, '')}/v1/logs`
  return base
}

type Compress = (body: Uint8Array) => Promise<Uint8Array>

function compressor({ compression, compression_params: { level } }: Options): Compress | undefined {
  if (compression === 'none') return undefined
  if (compression === 'zstd') {
    const params = level === undefined ? {} : { [zlib.constants.ZSTD_c_compressionLevel]: level }
    return (body) => zstd(body, { params })
  }
  const compress = compression === 'gzip' ? gzip : deflate
  return (body) => compress(body, level === undefined ? {} : { level })
}
const gzip = promisify(zlib.gzip)
const deflate = promisify(zlib.deflate)
const zstd = promisify(zlib.zstdCompress)

class OtlpHttp implements Exporter {
  readonly #host: Host
  readonly #pool: Pool
  readonly #path: string
  readonly #compress: Compress | undefined
  readonly #headers: readonly string[]

  constructor(given: Options, host: Host) {
    const { origin, pathname, search } = target(given)
    this.#host = host
    this.#path = `${pathname}${search}`
    this.#compress = compressor(given)
    this.#headers = Object.entries({
      'user-agent': userAgent,
      ...requestHeaders(given.headers),
      'content-type': 'application/x-protobuf',
      ...(given.compression !== 'none' && { 'content-encoding': given.compression }),
    }).flat()
    this.#pool = new Pool(origin, {
      connections: limits.exportConnectionsMax,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: limits.exportKeepAliveMs,
      // The pipeline's signal bounds an attempt; undici's own timers would only cost.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: origin.startsWith('https:') ? secureConnector(given, host) : { timeout: limits.exportConnectMs },
    })
  }

  async send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return unavailable('aborted')
    const body = this.#compress === undefined ? batch.body : await this.#compress(batch.body)
    const headers = [...this.#headers, batchIdHeader, batch.id]
    return new Promise((resolve) => {
      const answer = new Answer(signal, (answered) => resolve(this.#outcome(answered, signal, batch)))
      this.#pool.dispatch({ method: 'POST', path: this.#path, headers, body }, answer)
    })
  }

  #outcome({ status, headers, body, error }: Answer, signal: AbortSignal, batch: Batch): Outcome {
    if (error !== undefined)
      return unavailable(signal.aborted ? 'no answer in time' : `not reachable (${failureCode(error)})`)
    const reason = `HTTP ${status}`
    if (status >= 200 && status < 300) {
      const type = String(headers['content-type'] ?? '').toLowerCase()
      // A web page says 200 to anything: not the destination that was meant, so nothing is stored there.
      if (type.startsWith('text/html')) return unavailable(`${reason} with a web page: no OTLP endpoint`)
      return outcomeOfResponse(body(), type.startsWith('application/json'), batch)
    }
    if (status === 429 || status === 502 || status === 503 || status === 504)
      return unavailable(reason, retryAfterMs(headers['retry-after'], this.#host.nowMs()))
    if (status < 400) return unavailable(`${reason}: redirects are not followed`)
    return status === 413 ? { is: 'too_large', reason } : { is: 'rejected', reason }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

/**
 * One answer, as undici hands it out; without its stream, which would cost more than all the rest. Its body is kept
 * up to the bound; of a longer one nothing is kept, and the status has to do.
 */
class Answer implements Dispatcher.DispatchHandler {
  status = 0
  headers: Record<string, string | string[] | undefined> = {}
  error: unknown
  readonly #pieces: Buffer[] = []
  #size = 0
  #controller: Dispatcher.DispatchController | undefined
  #done: ((answer: Answer) => void) | undefined
  readonly #signal: AbortSignal
  readonly #abort = () => this.#end(this.#signal.reason ?? new Error('aborted'))

  constructor(signal: AbortSignal, done: (answer: Answer) => void) {
    this.#signal = signal
    this.#done = done
    signal.addEventListener('abort', this.#abort, { once: true })
    if (signal.aborted) this.#abort()
  }

  readonly body = (): Uint8Array => {
    if (this.#size > limits.exportAnswerBytesMax) return Buffer.alloc(0)
    return this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#done === undefined) controller.abort(new Error('aborted'))
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Answer['headers']): void {
    this.status = status
    this.headers = headers
  }

  onResponseData(_: Dispatcher.DispatchController, piece: Buffer): void {
    this.#size += piece.length
    if (this.#size <= limits.exportAnswerBytesMax) this.#pieces.push(piece)
    else this.#end()
  }

  onResponseEnd(): void {
    // undici frees the connection one turn of the event loop later; a batch sent before that would open another one.
    setImmediate(() => setImmediate(() => this.#end()))
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#end(error)
  }

  /** Once; what is still under way is given up. */
  #end(error?: unknown): void {
    const done = this.#done
    if (done === undefined) return
    this.#done = undefined
    this.error = error
    this.#signal.removeEventListener('abort', this.#abort)
    if (error !== undefined || this.#size > limits.exportAnswerBytesMax) this.#controller?.abort(new Error('given up'))
    done(this)
  }
}

/** Each new connection takes the certificates as they are then. */
function secureConnector(given: Options, host: Host): buildConnector.connector {
  const { tls } = given
  const credentials = new Credentials(tls, host)
  const servername = tls.server_name_override
  let context = credentials.context()
  const build = () =>
    buildConnector({
      secureContext: context,
      rejectUnauthorized: !tls.insecure_skip_verify,
      ...(servername !== undefined && { servername }),
      allowH2: false,
      timeout: limits.exportConnectMs,
    })
  let connect = build()
  return (target, callback) => {
    const current = credentials.context()
    if (current !== context) {
      context = current
      connect = build()
    }
    connect(target, callback)
  }
}
