/**
 * What residency costs: routing with 10,000 tenants, 50 regions and 20 purposes against one tenant, and loading such a policy.
 *
 *   node bench/residency.ts
 *
 * A request has 2,000 records; one record a resource is the worst case, since each has another tenant. `route` is sorting
 * into plans, `copy` is splicing the plans. Both worlds are measured in turn, and the tenth part of the rounds that were quickest counts: a
 * machine that is busy otherwise only ever adds. The policy is read through the loader's own code from YAML.
 */
import { parsePolicy } from '../config/residency.ts'
import { Source } from '../config/tree.ts'
import { KeyTable } from '../src/otlp/keys.ts'
import { readRequest } from '../src/otlp/read.ts'
import { LogsRequest, RECORD_ROW, RecordCol } from '../src/otlp/request.ts'
import { Splicer } from '../src/otlp/splice.ts'
import { FanOut } from '../src/pipeline/fan_out.ts'
import { Router, type RouteTarget } from '../src/pipeline/residency.ts'
import type { Policy } from '../src/policy.ts'
import { createPurposes } from '../src/purposes.ts'
import { encodeRequest } from '../test/oracle/otlp.ts'

const [tenants, regions, purposeCount, records, rounds] = [10_000, 50, 20, 2_000, 200]

/** `differs`: what each tenant has of his own, so that no two rules read alike. */
function policyText(allowed: string, differs: (tenant: number) => string = () => ''): string {
  const lines = ['regions:']
  for (let i = 0; i < regions; i++) {
    lines.push(`  r${i}: { jurisdiction: [J${i}, EU], pipeline: logs/r${i}${i === 0 ? ', central: true' : ''} }`)
  }
  lines.push('purposes:')
  for (let i = 0; i < purposeCount; i++) {
    lines.push(`  p${i}: { retention: ${i + 1}mo, content: ${i % 2 === 0 ? 'drop' : 'encrypt'}${allowed} }`)
  }
  lines.push('tenants:')
  for (let i = 0; i < tenants; i++) {
    const region = 1 + (i % (regions - 1))
    lines.push(
      i % 3 === 0
        ? `  t${i}: { residency: split, region: r${region}, central_purposes: [p0, p2], jurisdictions: [EU]${differs(i)} }`
        : `  t${i}: { residency: ${i % 3 === 1 ? `local, region: r${region}` : 'central'}${differs(i)} }`,
    )
  }
  return lines.join('\n')
}

function load(allowed: string, differs?: (tenant: number) => string): { policy: Policy; tookMs: number } {
  const source = new Source('residency.yaml', policyText(allowed, differs))
  const startMs = performance.now()
  const { policy, problems } = parsePolicy(source)
  const tookMs = performance.now() - startMs
  if (policy === undefined) throw new Error(String(problems[0]?.what))
  return { policy, tookMs }
}

/** `tenantOf` gives the tenant of the n-th resource. */
function world(policy: Policy, resources: number, tenantOf: (n: number) => string) {
  const body = encodeRequest({
    resourceLogs: Array.from({ length: resources }, (_, n) => ({
      resource: { attributes: [{ key: 'tenant.id', value: { stringValue: tenantOf(n) } }] },
      scopeLogs: [
        {
          logRecords: Array.from({ length: records / resources }, () => ({
            body: { stringValue: 'a line of a log, as long as lines of logs are' },
            attributes: [{ key: 'http.route', value: { stringValue: '/a/b' } }],
          })),
        },
      ],
    })),
  })
  const request = new LogsRequest(new KeyTable())
  readRequest(request, body)
  const purposes = createPurposes(policy.purposes.keys())
  for (let n = 0; n < resources; n++) request.tenants[n] = tenantOf(n)
  for (let i = 0; i < records; i++) {
    request.records.at[i * RECORD_ROW + RecordCol.Purposes] = purposes.bit(`p${i % purposeCount}`)
    request.records.at[i * RECORD_ROW + RecordCol.Verdict] = 0
  }
  const targets = new Map(
    [...policy.regions.keys()].map((name, i): [string, RouteTarget[]] => [
      name,
      [{ destination: i, purposes: 'merged' }],
    ]),
  )
  const router = new Router(policy, targets, purposes, { seal: () => 'cose:x' })
  const fanOut = new FanOut(regions)
  const faults = new Uint8Array(resources)
  const splicer = new Splicer()
  return {
    route: () => void fanOut.sort(request, router, faults, () => {}),
    copy: () => {
      for (const plan of fanOut.plans) if (plan.count > 0) splicer.splice(request, plan)
    },
  }
}

const quick = (times: number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 10)]!

function compare(name: string, policy: Policy, resources: number): void {
  const one = world(policy, resources, () => 't1')
  const many = world(policy, resources, (n) => `t${(n * 7919) % tenants}`)
  const times = { one: { route: [], copy: [] }, many: { route: [], copy: [] } } as Record<
    string,
    Record<string, number[]>
  >
  for (let round = 0; round < rounds; round++) {
    for (const [who, what] of [
      ['one', one],
      ['many', many],
    ] as const) {
      for (const step of ['route', 'copy'] as const) {
        const startMs = performance.now()
        what[step]()
        times[who]![step]!.push(((performance.now() - startMs) * 1e6) / records)
      }
    }
  }
  const line = (step: string): string => {
    const [alone, all] = [quick(times['one']![step]!), quick(times['many']![step]!)]
    return `${step} ${alone.toFixed(0)} → ${all.toFixed(0)} ns a record (${(all - alone).toFixed(0)} more)`
  }
  console.log(`${name}: ${line('route')}; ${line('copy')}`)
}

const plain = load('')
const limited = load(', allowed_keys: ["http.*", tenant.id]')
const ownRule = (i: number): string =>
  `, purposes: { p0: { retention: ${1 + (i % 28)}d }, p1: { retention: ${1 + Math.floor(i / 28)}h, content: drop } }`
for (const [what, differs] of [
  ['', undefined],
  [', no two alike', ownRule],
] as const) {
  const loads = Array.from({ length: 5 }, () => load('', differs).tookMs.toFixed(0))
  console.log(
    `policy of ${tenants} tenants${what}: read and checked in ${loads.join(', ')} ms, one time after the other`,
  )
}
console.log('one tenant → 10,000 tenants:')
compare('100 records a resource', plain.policy, records / 100)
compare('one record a resource', plain.policy, records)
compare('100 records a resource, allowed_keys', limited.policy, records / 100)
compare('one record a resource, allowed_keys', limited.policy, records)
