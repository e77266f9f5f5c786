/**
 * The options of `receivers.otlp`, with the Collector's names. `docs/receive.md` has the table.
 */
import { z } from 'zod'
import { limits } from '../limits.ts'
import { byteSize, duration } from '../units.ts'
import { parseEndpoint } from './listen.ts'

const MiB = 1024 * 1024

const endpoint = (port: number) =>
  z
    .string()
    .refine((text) => parseEndpoint(text) !== undefined, 'not an endpoint: write host:port, such as 127.0.0.1:4318')
    .default(`127.0.0.1:${port}`)
    .describe(
      'Where to listen, host:port. Port 0 takes a free one. Without an authenticator only loopback is accepted.',
    )

const tlsVersion = z.enum(['1.2', '1.3'])

export const tlsSchema = z
  .strictObject({
    cert_file: z.string().min(1).describe('The certificate chain, PEM. Read again when the file changes.'),
    key_file: z.string().min(1).describe('The private key of the certificate, PEM.'),
    client_ca_file: z
      .string()
      .min(1)
      .optional()
      .describe('Certificates of the authorities that sign client certificates, PEM. Set: every client must have one.'),
    min_version: tlsVersion.default('1.2').describe('The oldest TLS version that is accepted.'),
    max_version: tlsVersion.default('1.3').describe('The newest TLS version that is offered.'),
    reload_interval: duration().default(2000).describe('How often the files are looked at for changes.'),
  })
  .describe('TLS of this endpoint. Left out: plain text.')

const keepalive = z
  .strictObject({
    server_parameters: z
      .strictObject({
        max_connection_idle: duration()
          .default(limits.http2IdleTimeoutMs)
          .describe('A connection without a call for this long is closed.'),
        max_connection_age: duration().optional().describe('A connection this old is closed, calls in it may finish.'),
        max_connection_age_grace: duration().default(10_000).describe('How long they may take.'),
        time: duration().default(120_000).describe('A silent connection is pinged after this time.'),
        timeout: duration().default(20_000).describe('And closed when it has not answered after this time.'),
      })
      .prefault({})
      .describe('How long connections live.'),
    enforcement_policy: z
      .strictObject({
        min_time: duration()
          .default(0)
          .describe('Accepted for the Collector’s sake; floods of pings are always ended.'),
        permit_without_stream: z.boolean().default(true).describe('Accepted for the Collector’s sake.'),
      })
      .optional()
      .describe('Accepted for the Collector’s sake; floods of pings are always ended.'),
  })
  .prefault({})
  .describe('Keep-alive of HTTP/2 connections.')

const bodySizeMessage = `must be 1 to ${limits.bodyBytesMax} bytes (64MiB)`
const withinBody = (bytes: number) => bytes >= 1 && bytes <= limits.bodyBytesMax

const includeMetadata = z
  .boolean()
  .default(false)
  .describe('Accepted for the Collector’s sake; request headers are not kept.')

export const grpcSchema = z.strictObject({
  endpoint: endpoint(4317),
  transport: z.literal('tcp').default('tcp').describe('Only tcp.'),
  max_recv_msg_size_mib: z
    .number()
    .positive()
    .max(limits.bodyBytesMax / MiB)
    .default(limits.bodyBytesMax / MiB)
    .describe('The largest message in MiB, also after decompression.'),
  max_concurrent_streams: z
    .int()
    .min(1)
    .max(10_000)
    .default(limits.streamsMax)
    .describe('Calls at once on one connection.'),
  tls: tlsSchema.optional(),
  keepalive,
  include_metadata: includeMetadata,
})
export type GrpcConfig = z.output<typeof grpcSchema>

const cors = z
  .strictObject({
    allowed_origins: z
      .array(z.string().min(1))
      .default([])
      .describe('Origins of browser applications that may send, such as https://*.example.com.'),
    allowed_headers: z
      .array(z.string().min(1))
      .default([])
      .describe('Request headers that they may set besides the usual.'),
    max_age: z.int().min(0).default(0).describe('How many seconds a browser may remember the answer.'),
  })
  .describe('Cross-origin requests from browsers. Left out: none.')
export type CorsConfig = z.output<typeof cors>

export const httpSchema = z.strictObject({
  endpoint: endpoint(4318),
  logs_url_path: z.string().startsWith('/').default('/v1/logs').describe('The path that takes logs.'),
  max_request_body_size: byteSize()
    .refine(withinBody, bodySizeMessage)
    .default(limits.bodyBytesMax)
    .describe('The largest body, also after decompression: bytes, or a text such as 64MiB.'),
  cors: cors.optional(),
  tls: tlsSchema.optional(),
  read_header_timeout: duration().default(limits.headersTimeoutMs).describe('How long a request’s headers may take.'),
  read_timeout: duration().default(limits.requestTimeoutMs).describe('How long a whole request may take to come in.'),
  idle_timeout: duration()
    .default(limits.idleTimeoutMs)
    .describe('A connection without a request for this long is closed.'),
  include_metadata: includeMetadata,
})
export type HttpConfig = z.output<typeof httpSchema>

/** `grpc:` with nothing behind it means: with all defaults. */
const protocols = z
  .strictObject({
    grpc: grpcSchema
      .nullable()
      .transform((config) => config ?? grpcSchema.parse({}))
      .optional()
      .describe('OTLP/gRPC. Left out: not served.'),
    http: httpSchema
      .nullable()
      .transform((config) => config ?? httpSchema.parse({}))
      .optional()
      .describe('OTLP/HTTP, protobuf and JSON. Left out: not served.'),
  })
  .refine((served) => served.grpc !== undefined || served.http !== undefined, 'name at least one protocol: grpc, http')
  .describe('What is served.')

export const receiverSchema = z.strictObject({
  protocols,
  auth: z
    .strictObject({ authenticator: z.string().min(1).describe('The id of an authenticator under extensions.') })
    .optional()
    .describe('Who may send. Left out: anybody who reaches the endpoint, which then has to be loopback.'),
  tenant: z
    .strictObject({
      from: z
        .array(z.string().min(1))
        .min(1)
        .describe(
          'Where the tenant is taken from, the first that answers: credential, or a resource attribute’s path.',
        ),
    })
    .default({ from: ['credential', 'resource.attributes["tenant.id"]'] })
    .describe('Which tenant a record belongs to. The credential wins; a contradiction is refused.'),
  max_inflight_body_size: byteSize()
    .refine((bytes) => bytes >= 1 * MiB, 'must be at least 1MiB')
    .default(limits.inflightBodyBytesMax)
    .describe('Bytes of all requests in memory at once; beyond it senders are told to come back (503).'),
})
export type ReceiverConfig = z.output<typeof receiverSchema>
