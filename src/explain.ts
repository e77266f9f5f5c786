/**
 * What a configuration would do to a sample: each record before and after each processor, and what each destination
 * would get. Nothing is sent or stored.
 */
import type { GatewayConfig } from '../config/gateway_config.ts'
import { buildOffline, QUARANTINE } from './offline.ts'
import { jsonToWire, wireToJson } from './otlp/json.ts'
import type { Answer, Incoming } from './pipeline/inbound.ts'

/** One request as OTLP/JSON (opentelemetry-proto, JSON mapping), parsed. */
export type OtlpJson = { resourceLogs?: unknown[] }

export interface Explanation {
  readonly before: OtlpJson
  /** After each processor, in the pipeline's order. */
  readonly steps: readonly { readonly processor: string; readonly after: OtlpJson }[]
  readonly destinations: readonly { readonly destination: string; readonly region: string; readonly gets: OtlpJson }[]
  readonly answer: Answer
}

/** Explains the first input pipeline. Throws `JsonError` where the sample looks like OTLP/JSON and is none. */
export async function explain(
  config: GatewayConfig,
  sample: Buffer,
  nowMs: number,
  tenant?: string,
): Promise<Explanation> {
  const body = bodyOf(sample, nowMs)
  const incoming: Incoming = {
    body,
    sender: tenant === undefined ? {} : { tenants: [tenant] },
    headers: {},
    receivedUnixNano: BigInt(nowMs) * 1_000_000n,
    receivedMonotonicNano: BigInt(nowMs) * 1_000_000n,
  }
  const input = config.pipelines.find(({ receivers }) => receivers.some((id) => config.receivers.has(id)))!
  const steps = []
  for (let count = 1; count <= input.processors.length; count++) {
    const after = await afterProcessors(config, input.id, count, incoming, nowMs)
    steps.push({ processor: input.processors[count - 1]!, after })
  }
  const destinations: Explanation['destinations'][number][] = []
  const whole = buildOffline(
    config,
    (destination, parcel) => {
      const region = destination === QUARANTINE ? '' : (config.exporters.get(destination)?.region ?? '')
      destinations.push({ destination, region, gets: parsed(parcel.body) })
    },
    () => nowMs,
  )
  const { answer } = await whole.generation.inputs[0]!.inbound.accept(incoming)
  return { before: parsed(body), steps, destinations, answer }
}

/** The sample after the first `count` processors: the same pipeline, cut short, into one exporter that only shows. */
async function afterProcessors(
  config: GatewayConfig,
  pipeline: string,
  count: number,
  incoming: Incoming,
  nowMs: number,
): Promise<OtlpJson> {
  const section = [...config.exporters.values()][0]!
  const exporter = section.id
  // One copy in all, whatever the store behind it wants.
  const show = { ...section, component: { ...section.component, purposes: 'merged' as const } }
  const short = config.pipelines
    .filter(({ id }) => id === pipeline)
    .map((one) => ({ ...one, processors: one.processors.slice(0, count), exporters: [exporter] }))
  let after: OtlpJson = {}
  const offline = buildOffline(
    { ...config, exporters: new Map([[exporter, show]]), pipelines: short, connectors: new Map() },
    (_, parcel) => {
      after = parsed(parcel.body)
    },
    () => nowMs,
  )
  await offline.generation.inputs[0]!.inbound.accept(incoming)
  return after
}

const parsed = (body: Uint8Array): OtlpJson =>
  JSON.parse(wireToJson(Buffer.from(body.buffer, body.byteOffset, body.byteLength)))

/** OTLP/JSON as it is; any other text is one log line, received now. */
function bodyOf(sample: Buffer, nowMs: number): Buffer {
  const text = sample.toString('utf8').trim()
  if (text.startsWith('{') && text.includes('"resourceLogs"')) return jsonToWire(sample)
  const timeUnixNano = `${nowMs}000000`
  const record = { timeUnixNano, observedTimeUnixNano: timeUnixNano, body: { stringValue: text } }
  return jsonToWire(Buffer.from(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] })))
}
