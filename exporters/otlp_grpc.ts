/**
 * otlp_grpc: sends batches to an OTLP/gRPC endpoint. docs/exporters.md
 *
 * Bytes go through @grpc/grpc-js as they are: nothing is decoded. Its own retries are off; the pipeline retries.
 *
 * Outcomes follow the OTLP specification: CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and
 * DATA_LOSS are tried again, RESOURCE_EXHAUSTED only with RetryInfo (else the destination wants less at once);
 * RetryInfo says when. Every other status is final.
 */
import * as grpc from '@grpc/grpc-js'
import { z } from 'zod'
import { type Batch, type Exporter, exporter, type Host, type Outcome } from '../src/contract.ts'
import { ConfigError } from '../src/errors.ts'
import { limits } from '../src/limits.ts'
import { duration } from '../src/units.ts'
import { outcomeOfResponse, retryDelayMs, unavailable } from './otlp/answer.ts'
import { Credentials } from './otlp/credentials.ts'
import { batchIdHeader, headersOption, requestHeaders, tlsOptions, userAgent } from './otlp/options.ts'

const method = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'

const options = z.strictObject({
  endpoint: z
    .string()
    .regex(/^(?:https?:\/\/|dns:\/\/\/|unix:)?[^\s/@]+\/?$|^unix:\S+$/, {
      error: 'not host:port, http://host:port or unix:path',
    })
    .describe('Where the destination listens: host:port. http:// in front means without TLS, https:// with it.'),
  headers: headersOption,
  compression: z.enum(['none', 'gzip']).default('gzip').describe('How messages are compressed.'),
  tls: tlsOptions.prefault({}),
  authority: z.string().min(1).optional().describe('The :authority of requests, where it is not the endpoint.'),
  keepalive: z
    .strictObject({
      time: duration().default(60_000).describe('A ping is sent after this long without a sign of life.'),
      timeout: duration().default(20_000).describe('And the connection given up when it is not answered in this time.'),
      permit_without_stream: z.boolean().default(false).describe('true: also when nothing is being sent.'),
    })
    .prefault({})
    .describe('How a dead connection is found.'),
})
type Options = z.output<typeof options>

export const otlpGrpc = exporter({
  name: 'otlp_grpc',
  aliases: ['otlp'],
  purposes: 'merged',
  config: options,
  create: (given, host) => new OtlpGrpc(given, host),
})

const retried: ReadonlySet<number> = new Set([
  grpc.status.CANCELLED,
  grpc.status.DEADLINE_EXCEEDED,
  grpc.status.ABORTED,
  grpc.status.OUT_OF_RANGE,
  grpc.status.UNAVAILABLE,
  grpc.status.DATA_LOSS,
])

const asIs = (bytes: Buffer): Buffer => bytes

class OtlpGrpc implements Exporter {
  readonly #given: Options
  readonly #headers: readonly (readonly [string, string])[]
  readonly #credentials: Credentials | undefined
  #client: grpc.Client
  #context: ReturnType<Credentials['context']> | undefined
  readonly #calls = new Set<grpc.ClientUnaryCall>()
  #closed = false

  constructor(given: Options, host: Host) {
    this.#given = given
    this.#headers = Object.entries(requestHeaders(given.headers))
    for (const [name] of this.#headers)
      if (name.endsWith('-bin'))
        throw new ConfigError(`the header ${name} would hold bytes`, ['headers', name], 'remove it')
    const plain = given.tls.insecure || given.endpoint.startsWith('http://')
    this.#credentials = plain ? undefined : new Credentials(given.tls, host)
    this.#context = this.#credentials?.context()
    this.#client = this.#connect()
  }

  #connect(): grpc.Client {
    const { endpoint, compression, tls, authority, keepalive } = this.#given
    const credentials =
      this.#context === undefined
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createFromSecureContext(this.#context, { rejectUnauthorized: !tls.insecure_skip_verify })
    return new grpc.Client(endpoint.replace(/^https?:\/\/|\/$/g, ''), credentials, {
      'grpc.primary_user_agent': userAgent,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_channelz': 0,
      // Records go where the config sends them, whatever the environment says.
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': limits.exportAnswerBytesMax,
      'grpc.initial_reconnect_backoff_ms': limits.exportReconnectMsMin,
      'grpc.max_reconnect_backoff_ms': limits.exportReconnectMsMax,
      'grpc.keepalive_time_ms': Math.ceil(keepalive.time),
      'grpc.keepalive_timeout_ms': Math.ceil(keepalive.timeout),
      'grpc.keepalive_permit_without_calls': keepalive.permit_without_stream ? 1 : 0,
      ...(compression === 'gzip' && { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip }),
      ...(authority !== undefined && { 'grpc.default_authority': authority }),
      ...(tls.server_name_override !== undefined && { 'grpc.ssl_target_name_override': tls.server_name_override }),
    })
  }

  /** The client; another one when the certificates have changed. Calls of the old one end by themselves. */
  #current(): grpc.Client {
    const context = this.#credentials?.context()
    if (context !== this.#context) {
      this.#context = context
      this.#client.close()
      this.#client = this.#connect()
    }
    return this.#client
  }

  send(batch: Batch, signal: AbortSignal): Promise<Outcome> {
    return new Promise((resolve) => {
      if (signal.aborted || this.#closed) {
        resolve(unavailable(this.#closed ? 'closed' : 'aborted'))
        return
      }
      const metadata = new grpc.Metadata()
      for (const [name, value] of this.#headers) metadata.set(name, value)
      metadata.set(batchIdHeader, batch.id)
      const body = Buffer.from(batch.body.buffer, batch.body.byteOffset, batch.body.byteLength)
      const abort = () => call.cancel()
      const call = this.#current().makeUnaryRequest(method, asIs, asIs, body, metadata, (error, response) => {
        signal.removeEventListener('abort', abort)
        this.#calls.delete(call)
        if (error !== null) resolve(signal.aborted ? unavailable('no answer in time') : outcomeOfStatus(error))
        else resolve(outcomeOfResponse(response ?? Buffer.alloc(0), false, batch))
      })
      this.#calls.add(call)
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const call of this.#calls) call.cancel()
    this.#client.close()
  }
}

function outcomeOfStatus(error: grpc.ServiceError): Outcome {
  const reason = `gRPC ${error.code} ${grpc.status[error.code] ?? 'UNKNOWN'}`
  const [details] = error.metadata?.get('grpc-status-details-bin') ?? []
  const delayMs = details instanceof Uint8Array ? retryDelayMs(details) : undefined
  if (retried.has(error.code)) return unavailable(reason, delayMs)
  if (error.code !== grpc.status.RESOURCE_EXHAUSTED) return { is: 'rejected', reason }
  return delayMs === undefined ? { is: 'too_large', reason } : unavailable(reason, delayMs)
}
