/**
 * What every processor must keep to, whatever it does: `conformsProcessor()` runs all of it on the real chain. It shows
 * that the line between a processor and the gateway holds: options, views, verdicts, counters, state. It does not show
 * that what it does to a record is right: that is for the processor's own tests.
 */
import { describe, expect, test } from 'vitest'
import { builtIn } from '../config/built_in.ts'
import { configJsonSchema, type JsonSchema } from '../config/schema.ts'
import type { Processor, ProcessorComponent, Verdict } from '../src/contract.ts'
import { DouaneError, KeyError } from '../src/errors.ts'
import { Kind } from '../src/otlp/fields.ts'
import type { LogRecord as LogRecordView } from '../src/otlp/record.ts'
import type { LogRecord, Request } from './oracle/otlp.ts'
import { randomRequest, seeded } from './oracle/random.ts'
import { Bench, type Seen } from './poisoned.ts'
import { type CountingHost, countingHost } from './processors/host.ts'

export interface Subject {
  readonly component: ProcessorComponent
  /** Options under which it does as much as it can. */
  readonly options: Record<string, unknown>
  /** Counters that `sample` moves. */
  readonly moves: readonly string[]
}

const startNano = 1_795_226_586_000_000_000n
const text = (value: string) => ({ stringValue: value })
const record = (n: number, more: Partial<LogRecord> = {}): LogRecord => ({
  timeUnixNano: startNano - BigInt(n) * 1_000_000n,
  eventName: ['auth.login', 'export.docx', 'document.opened'][n % 3]!,
  severityNumber: 9 + (n % 3) * 4,
  body: text(`user canary-${n}@example.com from 192.168.7.${n}`),
  attributes: [
    { key: 'user.id', value: text(`canary-user-${n}`) },
    { key: 'comment', value: text(`canary-comment-${n}`) },
    { key: 'count', value: { intValue: BigInt(n) } },
  ],
  ...more,
})
/** Two tenants, ordinary records, and one of the future. */
export const sample: Request = {
  resourceLogs: [0, 1].map((tenant) => ({
    resource: { attributes: [{ key: 'service.name', value: text(`shop-${tenant}`) }] },
    scopeLogs: [
      {
        scope: { name: 'lib', version: '1', attributes: [{ key: 'team', value: text('blue') }] },
        logRecords: [
          ...[0, 1, 2, 3].map((n) => record(n + 10 * tenant)),
          record(9, { timeUnixNano: startNano + 86_400_000_000_000n }),
        ],
      },
    ],
  })),
}
const requests = (seeds: readonly number[]): Request[] => [
  sample,
  ...seeds.map((seed) => randomRequest(seeded(seed))),
  sample,
]
/** Requests of one sender whose clock is an hour ahead: something to learn. One a second. */
const hourAhead = (from: number, to: number): Request[] =>
  Array.from({ length: to - from }, (_, n) => ({
    resourceLogs: [
      {
        resource: { attributes: [{ key: 'service.instance.id', value: text('ahead') }] },
        scopeLogs: [
          {
            logRecords: [
              record(0, { timeUnixNano: startNano + BigInt(from + n) * 1_000_000_000n + 3_600_000_000_000n }),
            ],
          },
        ],
      },
    ],
  }))
const seeds = Array.from({ length: 40 }, (_, n) => 7 + n)

type Make = (keyError?: Error) => { host: CountingHost; processor: Processor }

export function conformsProcessor({ component, options, moves }: Subject): void {
  const make: Make = (keyError) => {
    const host = countingHost(component.name, keyError)
    return { host, processor: component.create(component.config.parse(options), host) }
  }
  describe(`${component.name} keeps to the contract of processors:`, () => {
    optionTests(component, options)
    viewTests(make)
    failureTests(make)
    stateTests(make, moves)
  })
}

/** One request a second. */
const runAll = (bench: Bench, sent: readonly Request[], from = 0): Seen[] =>
  sent.map((each, n) => bench.run(each, startNano + BigInt(from + n) * 1_000_000_000n))

function viewTests(make: Make): void {
  test('views, slots and rows are not used after their call', () => {
    const free = runAll(new Bench([make().processor], false), requests(seeds))
    const guarded = runAll(new Bench([make().processor], true), requests(seeds))
    expect(guarded).toEqual(free)
    expect(free.flatMap(({ failures }) => failures)).toEqual([])
  })
  test('the same input gives the same output', () => {
    const first = make()
    const second = make()
    expect(runAll(new Bench([first.processor], false), requests(seeds))).toEqual(
      runAll(new Bench([second.processor], false), requests(seeds)),
    )
    expect(second.host.counts).toEqual(first.host.counts)
  })
  test('the next processor sees what leaves', () => {
    const witness = new Witness()
    const { leaves } = new Bench([make().processor, witness], true).run(sample, startNano)
    const left = recordsOf(leaves).map((each) => keysAndTexts(each))
    expect(witness.seen).toEqual(left)
  })
}

function failureTests(make: Make): void {
  test('a record is not reached once it was taken out', () => {
    const out: Processor = { record: () => 'drop' }
    const { host, processor } = make()
    const { verdicts, leaves } = new Bench([out, processor], true).run(sample, startNano)
    expect(new Set(verdicts)).toEqual(new Set(['drop']))
    expect(recordsOf(leaves)).toEqual([])
    expect(host.counts.get('failures') ?? 0).toBe(0)
  })
  test('a throw behind it takes out the record, and nothing of it leaves', () => {
    const failing = new Failing(3)
    const bench = new Bench([make().processor, failing], true)
    const { verdicts, leaves, failures } = bench.run(sample, startNano)
    expect(verdicts[failing.failedAt]).toBe('reject')
    expect(failures).toHaveLength(1)
    const left = verdicts.filter((verdict) => verdict === 'keep').length
    expect(recordsOf(leaves)).toHaveLength(left)
    const whole = new Bench([make().processor], false).run(sample, startNano)
    expect(recordsOf(whole.leaves)).toHaveLength(left + 1)
    // The next request is none the wiser.
    expect(bench.run(sample, startNano + 1_000_000_000n).verdicts).not.toContain('reject')
  })
  test('where a key cannot be had, nothing leaves in the clear that would not otherwise', () => {
    const good = JSON.stringify(new Bench([make().processor], false).run(sample, startNano).leaves, digits)
    let left = ''
    try {
      left = JSON.stringify(
        new Bench([make(new KeyError('no key')).processor], false).run(sample, startNano).leaves,
        digits,
      )
    } catch (error) {
      expect(error).toBeInstanceOf(KeyError)
    }
    const clear = (all: string): string[] => [...new Set(all.match(/canary-\w*-?\d+/g))]
    expect(clear(left).filter((canary) => !good.includes(canary))).toEqual([])
  })
}

function stateTests(make: Make, moves: readonly string[]): void {
  test('its counters move', () => {
    const { host, processor } = make()
    new Bench([processor], true).run(sample, startNano)
    const still = moves.filter((name) => !(host.counts.get(name)! > 0))
    expect(still).toEqual([])
    expect([...host.counts.keys()].filter((name) => !/^[a-z][a-z0-9_]*$/.test(name))).toEqual([])
  })
  test('what it remembers goes over a restart, and over another one right after', () => {
    const before = make().processor
    expect(before.snapshot === undefined).toBe(before.restore === undefined)
    runAll(new Bench([before], false), hourAhead(0, 40))
    const snapshot = before.snapshot?.()
    if (snapshot === undefined) return
    const restarted = (from: Uint8Array): Processor => {
      const { processor } = make()
      processor.restore!(from)
      return processor
    }
    const [once, twice, fresh] = [
      restarted(snapshot),
      restarted(restarted(snapshot).snapshot!()),
      make().processor,
    ].map((processor) => runAll(new Bench([processor], true), hourAhead(40, 44), 40))
    expect(twice).toEqual(once)
    expect(once!.flatMap(({ failures }) => failures)).toEqual([])
    expect(once, 'what was learnt makes a difference').not.toEqual(fresh)
  })
  test('a snapshot that is not one is refused, and it starts afresh', () => {
    const { processor } = make()
    const damaged = processor.snapshot?.().slice(0, -1) ?? new Uint8Array()
    for (const bytes of [damaged, new Uint8Array(), Buffer.from('not a snapshot'), new Uint8Array(300).fill(0xff)]) {
      if (processor.restore !== undefined) expect(() => processor.restore!(bytes)).toThrow(DouaneError)
    }
    const expected = runAll(new Bench([make().processor], false), requests(seeds).slice(0, 5))
    expect(runAll(new Bench([processor], true), requests(seeds).slice(0, 5))).toEqual(expected)
  })
}

function optionTests(component: ProcessorComponent, options: Record<string, unknown>): void {
  test('every option is described, and unknown ones are refused', () => {
    expect(component.config.safeParse(options).success).toBe(true)
    expect(component.config.safeParse({ ...options, no_such_option: 1 }).success).toBe(false)
    const schema =
      configJsonSchema(builtIn).properties!['processors']!.patternProperties![`^${component.name}(/[\\w.-]+)?$`]!
        .anyOf![0]!
    expect(bare(schema, '')).toEqual([])
  })
  test('its name is a config key and a metric prefix', () => {
    expect(component.name).toMatch(/^[a-z][a-z_]*$/)
  })
}

/** Options without a description, and objects that would take any. */
function bare({ properties = {}, additionalProperties, anyOf = [], items }: JsonSchema, path: string): string[] {
  const own = Object.entries(properties).flatMap(([name, schema]) => [
    ...(schema.description ? [] : [`${path}${name} has no description`]),
    ...bare(schema, `${path}${name}.`),
  ])
  const open = Object.keys(properties).length > 0 && additionalProperties !== false ? [`${path} takes any option`] : []
  const below = [additionalProperties, items, ...anyOf].filter((part) => part instanceof Object)
  return [...own, ...open, ...below.flatMap((part) => bare(part as JsonSchema, path))]
}

/** bigint as text, so that JSON takes it. */
const digits = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)
const recordsOf = ({ resourceLogs = [] }: Request): LogRecord[] =>
  resourceLogs.flatMap(({ scopeLogs = [] }) => scopeLogs.flatMap(({ logRecords = [] }) => logRecords))

/** Attributes with their texts, where they are texts, and the body: sealed ones aside, since sealing comes after. */
function keysAndTexts({ attributes = [], body }: LogRecord): string[] {
  const shown = (key: string, value: string | undefined): string =>
    `${key}=${value?.startsWith('cose:') ? 'sealed' : (value ?? '?')}`
  return [
    shown('body', body?.stringValue),
    ...attributes.map(({ key = '', value }) => shown(key, value?.stringValue)).toSorted(),
  ]
}

/** Writes down what it sees of each record. */
class Witness implements Processor {
  readonly seen: string[][] = []
  record(view: LogRecordView): Verdict {
    const { slots } = view
    const shown = (slot: number): string => {
      const value = slots.marks(slot) > 1 ? 'sealed' : isText(slots.value(slot)) ? slots.text(slot) : '?'
      return `${slot === view.body ? 'body' : slots.key(slot)}=${value}`
    }
    const attributes: string[] = []
    const ranges = [
      [view.first, view.end],
      [view.firstAdded, view.endAdded],
    ] as const
    for (const [from, to] of ranges) {
      for (let slot = from; slot < to; slot++) {
        if (slots.keyId(slot) >= 0 && !isRemoved(view, slot)) attributes.push(shown(slot))
      }
    }
    this.seen.push([view.body === -1 ? 'body=?' : shown(view.body), ...attributes.toSorted()])
    return 'keep'
  }
}
const isText = (value: { kind: string }): boolean => value.kind === 'string'
const isRemoved = ({ slots }: LogRecordView, slot: number): boolean => slots.kind(slot) === Kind.Removed

/** Throws at the n-th record that it sees. */
class Failing implements Processor {
  failedAt = -1
  #left: number
  constructor(at: number) {
    this.#left = at
  }
  record(view: LogRecordView): Verdict {
    this.#left--
    if (this.#left !== 0) return 'keep'
    this.failedAt = view.index
    throw new Error('canary')
  }
}
