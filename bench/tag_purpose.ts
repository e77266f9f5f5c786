/**
 * What tagging costs a record: 20 rules of the kinds that people write, on requests of 2,000 records of ten attributes.
 *
 *   node bench/tag_purpose.ts [rounds, 2000] [each]
 *
 * Prints nanoseconds a record: of reading the request (scan), to compare with; of a walk over the records that does
 * nothing, which is subtracted; of 1, 5 and 20 rules about nine fields; of 20 about three; with `each` of every rule alone. Records vary: event names, severities, five tenants.
 */

import { tagPurpose } from '../processors/tag_purpose.ts'
import type { Host, Processor } from '../src/contract.ts'
import { readRequest } from '../src/otlp/read.ts'
import { LogRecord } from '../src/otlp/record.ts'
import { LogsRequest, Resource, Scope } from '../src/otlp/request.ts'
import { createPurposes } from '../src/purposes.ts'
import { encodeRequest, type KeyValue } from '../test/oracle/otlp.ts'

const rounds = Number(process.argv[2] ?? 2000)
const records = 2000

const rules = [
  ['security', 'severity_number >= SEVERITY_NUMBER_ERROR or HasPrefix(event_name, "auth.")'],
  ['billing', 'HasPrefix(log.event_name, "export.")'],
  ['usage', 'event_name == "document.opened"'],
  ['usage', 'event_name == "document.save" and severity_number < SEVERITY_NUMBER_ERROR'],
  ['billing', 'attributes["event.kind"] == "export"'],
  ['security', 'attributes["http.response.status_code"] >= 400'],
  ['support', 'attributes["http.response.status_code"] >= 500 and attributes["exception.type"] != nil'],
  ['billing', 'attributes["llm.tokens"] != nil'],
  ['security', 'attributes["enduser.role"] == "admin"'],
  ['support', 'severity_text == "FATAL"'],
  ['usage', 'attributes["feature"] == "search" or attributes["feature"] == "compare"'],
  ['security', 'resource.attributes["service.name"] == "gatekeeper"'],
  ['billing', 'resource.attributes["service.name"] == "metering" and severity_number >= SEVERITY_NUMBER_INFO'],
  ['usage', 'scope.name == "frontend" and attributes["url.path"] != nil'],
  ['support', 'IsString(body) and attributes["error"] == true'],
  ['security', 'attributes["client.trusted"] == false'],
  ['usage', 'attributes["session.id"] != nil and event_name != ""'],
  ['billing', 'event_name == "translation.done" or event_name == "llm.request"'],
  ['security', 'IsMatch(event_name, "^account\\\\.(created|deleted|locked)$")'],
  ['support', 'not (severity_number < SEVERITY_NUMBER_WARN)'],
] as const

/** The same number of rules about three fields: what most people have. */
const byEvent = [
  ...['auth', 'account', 'token', 'role', 'audit', 'gdpr'].map((area) => [
    'security',
    `HasPrefix(event_name, "${area}.")`,
  ]),
  ...['export', 'invoice', 'plan', 'seat', 'llm', 'translation'].map((area) => [
    'billing',
    `HasPrefix(event_name, "${area}.")`,
  ]),
  ...['document.opened', 'document.save', 'search.run', 'comment.added'].map((name) => [
    'usage',
    `event_name == "${name}"`,
  ]),
  ['security', 'severity_number >= SEVERITY_NUMBER_ERROR'],
  ['support', 'severity_number >= SEVERITY_NUMBER_WARN and severity_number < SEVERITY_NUMBER_ERROR'],
  ['support', 'attributes["http.response.status_code"] >= 500'],
  ['security', 'attributes["http.response.status_code"] == 403 and HasPrefix(event_name, "http.")'],
]

const text = (key: string, value: string): KeyValue => ({ key, value: { stringValue: value } })
const names = ['auth.login', 'document.opened', 'document.save', 'export.docx', 'http.request', 'account.deleted']

function makeRequest(): { request: LogsRequest; body: Buffer } {
  const logRecords = Array.from({ length: records }, (_, i) => ({
    timeUnixNano: 1_700_000_000_000_000_000n + BigInt(i),
    severityNumber: i % 20 === 0 ? 17 : 9,
    severityText: i % 20 === 0 ? 'ERROR' : 'INFO',
    eventName: names[(i * 7) % names.length]!,
    body: { stringValue: `Document ${i} opened from the folder "contracts", 14 clauses loaded in 37 ms` },
    attributes: [
      text('http.request.method', 'GET'),
      text('url.path', `/api/documents/${i}`),
      { key: 'http.response.status_code', value: { intValue: i % 9 === 0 ? 404n : 200n } },
      { key: 'http.server.request.duration_us', value: { intValue: BigInt(1000 + i) } },
      text('user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0'),
      text('client.address', '10.0.0.7'),
      text('enduser.id', `u-${i % 500}`),
      text('session.id', `s-${i}`),
      text('feature', i % 3 === 0 ? 'search' : 'edit'),
      { key: 'cache.hit', value: { boolValue: i % 3 === 0 } },
    ],
  }))
  const resource = { attributes: [text('service.name', 'documents'), text('tenant.id', 'acme')] }
  const body = encodeRequest({ resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 'http' }, logRecords }] }] })
  const request = new LogsRequest()
  scanNanos = bestOf(() => {
    request.reset(body)
    readRequest(request, body)
  })
  return { request, body }
}
let scanNanos = 0

/** Nanoseconds a record, of the quickest round: other work on the machine only makes rounds slower. */
function bestOf(round: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < rounds; i++) {
    const start = process.hrtime.bigint()
    round()
    best = Math.min(best, Number(process.hrtime.bigint() - start) / records)
  }
  return best
}

const counter = { add: () => {} }
const host: Host = {
  id: 'tag_purpose',
  log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  purposes: createPurposes(),
  hashKeys: { current: () => ({ id: '00000000', key: new Uint8Array(32) }) },
  resolve: (path) => path,
  dataDir: () => '',
  nowMs: () => 0,
  counter: ((_name: string, _help: string, labels?: readonly string[]) =>
    labels === undefined ? counter : { with: () => counter }) as Host['counter'],
  gauge: () => {},
}

const tagger = (chosen: readonly (readonly string[])[]): Processor =>
  tagPurpose.create(
    tagPurpose.config.parse({ rules: chosen.map(([purpose, when]) => ({ purpose, when })), default: ['support'] }),
    host,
  )

function measure(request: LogsRequest, processor: Processor): number {
  // What a processor asks of the request's memory is there from the next request on.
  processor.begin?.(request)
  readRequest(request, body)
  const record = new LogRecord(request, new Resource(request).visit(0), new Scope(request).visit(0))
  return bestOf(() => {
    processor.begin?.(request)
    for (let i = 0; i < records; i++) {
      record.visit(i)
      record.purposes = 0
      processor.record!(record)
    }
    processor.end?.(request)
  })
}

const { request, body } = makeRequest()
const walk = measure(request, { record: () => 'keep' })
const show = (what: string, nanos: number): void => console.log(`${nanos.toFixed(0).padStart(6)} ns  ${what}`)
show('reading the request, for comparison', scanNanos)
show('the walk alone, subtracted below', walk)
for (const count of [1, 5, 20]) show(`${count} rules`, measure(request, tagger(rules.slice(0, count))) - walk)
show(
  `${byEvent.length} rules about the event name, the severity and one attribute`,
  measure(request, tagger(byEvent)) - walk,
)
if (process.argv[3] === 'each') for (const rule of rules) show(rule[1], measure(request, tagger([rule])) - walk)
