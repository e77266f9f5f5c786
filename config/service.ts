/**
 * The sections that belong to the gateway itself, not to a component: `service`, `extensions`, `connectors`.
 */
import { z } from 'zod'
import { limits } from '../src/limits.ts'
import { isLoopback, parseEndpoint } from '../src/receive/listen.ts'
import { byteSize, duration } from '../src/units.ts'
import { keysSchema } from './keys.ts'

/** `host:port`, `[::1]:4317`. */
const endpoint = () =>
  z
    .string()
    .refine(
      (text) => parseEndpoint(text) !== undefined,
      'is not host:port, such as 127.0.0.1:8888 (port 0: any free one)',
    )

const isPositive = (n: number): boolean => n >= 1

/** Says nothing about what is no endpoint: that is told already. */
const isLocal = (text: string): boolean => isLoopback(parseEndpoint(text)?.host ?? 'localhost')

const ids = (what: string) => z.array(z.string()).describe(what)

const pipeline = z
  .strictObject({
    receivers: ids('Receivers, or the connector that feeds this pipeline.').min(1),
    processors: ids('Processors, in the order in which they work.').optional(),
    exporters: ids('Exporters, or a connector that routes on.').min(1),
  })
  .describe('From receivers through processors to exporters.')

const metrics = z
  .strictObject({
    level: z.enum(['none', 'normal']).default('normal').describe('none: no metrics server.'),
    // Not a default of the schema: where nobody asked for this port and another program has it, the gateway still starts.
    endpoint: endpoint()
      .optional()
      .describe('Where Prometheus reads /metrics. Default 127.0.0.1:8888.')
      .meta({ default: '127.0.0.1:8888' }),
  })
  .meta({ default: {} })
  .describe("The gateway's own metrics.")

const logs = z
  .strictObject({
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least level that is written.'),
    format: z
      .enum(['auto', 'json', 'text'])
      .default('auto')
      .describe('auto: text on a terminal, JSON lines otherwise.'),
    endpoint: z
      .string()
      .regex(/^https?:\/\/[^\s@]+$/, 'is not a URL like http://127.0.0.1:4318 (without a password)')
      .optional()
      .describe('An OTLP/HTTP endpoint that also gets the own logs; /v1/logs is appended. Not this gateway.'),
    headers: z.record(z.string(), z.string()).optional().describe('Headers of these requests.').meta({ secret: true }),
  })
  .meta({ default: {} })
  .describe("The gateway's own logs: on stderr, and by OTLP where an endpoint is given.")

const ledger = z
  .strictObject({
    enabled: z.boolean().optional().describe('Left out: on where a residency connector is used.'),
    checkpoint_interval: duration().default(60_000).describe('How often the ledger is signed.'),
  })
  .describe('The record of what went where: a leaf in a Merkle log for each batch that a destination took.')

const perSecond = () => z.number().positive()
const tenantLimit = z.strictObject({
  records_per_second: perSecond().optional().describe('Records a second, on average.'),
  records_burst: perSecond().optional().describe('Records that may come at once. Default: two seconds of the rate.'),
  bytes_per_second: byteSize()
    .refine(isPositive, 'must be at least 1')
    .optional()
    .describe('Bytes a second, on average.'),
  bytes_burst: byteSize()
    .refine(isPositive, 'must be at least 1')
    .optional()
    .describe('Bytes that may come at once. Default: two seconds of the rate.'),
  queued_records: z.int().min(1).optional().describe('Records that may wait in queues.'),
})
const tenantLimits = z
  .strictObject({
    per_tenant: tenantLimit.optional().describe('For each tenant that is not named below. Left out: no limit.'),
    tenants: z
      .record(z.string(), tenantLimit)
      .optional()
      .describe('Tenants with limits of their own, which replace it.'),
  })
  .describe('How fast each tenant may send; beyond it senders are told to wait (429).')

export const serviceSchema = z
  .strictObject({
    extensions: ids('Extensions to start.').optional(),
    pipelines: z.record(z.string(), pipeline).describe('logs[/name] → what it is made of.'),
    telemetry: z
      .strictObject({ metrics: metrics.optional(), logs: logs.optional() })
      .optional()
      .meta({ default: {} })
      .describe("The gateway's own metrics and logs."),
    ledger: ledger.optional(),
    limits: tenantLimits.optional(),
    keys: keysSchema.optional(),
    workers: z
      .int()
      .min(1)
      .max(limits.workersMax)
      .default(1)
      .describe('Processes that share the ports. 1: all in one process. A change counts from the next start on.'),
  })
  .describe('What runs.')
export type ServiceOptions = z.output<typeof serviceSchema>

export interface ExtensionComponent<Config extends z.ZodType = z.ZodType> {
  readonly kind: 'extension'
  readonly name: string
  readonly config: Config
}
const healthCheck = z
  .strictObject({
    endpoint: endpoint().default('127.0.0.1:13133').describe('Where GET / answers 200 or 503.'),
    path: z.string().startsWith('/').default('/').describe('The path that answers.'),
  })
  .describe('Answers 200 when every part works, else 503, with the state of each.')
const admin = z
  .strictObject({
    endpoint: endpoint()
      .refine(isLocal, 'is not a loopback address; the admin API has no authentication: use 127.0.0.1 or [::1]')
      .default('127.0.0.1:13134')
      .describe('Where the admin API listens; loopback only.'),
  })
  .describe('What `douane status` asks.')
export type HealthCheckOptions = z.output<typeof healthCheck>
export type AdminOptions = z.output<typeof admin>
export const ownExtensions: readonly ExtensionComponent[] = [
  { kind: 'extension', name: 'health_check', config: healthCheck },
  { kind: 'extension', name: 'admin', config: admin },
]

export const residencySchema = z
  .strictObject({
    policy: z.string().min(1).describe('The residency policy, relative to this file.'),
    strict_reroute: z
      .boolean()
      .default(false)
      .describe('Check queued records again when the policy is tightened, instead of keeping their version.'),
    failover_after: duration()
      .default(60_000)
      .describe("How long a region's destination may deliver nothing before tenants go to their next region."),
  })
  .describe("Routes each record by its tenant's residency and its purposes.")
export type ResidencyOptions = z.output<typeof residencySchema>
