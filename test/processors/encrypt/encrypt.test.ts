/**
 * What `encrypt` marks, and what becomes of it when a copy is made: chain and splice are the real ones, tokens are
 * opened again with the real decrypt side.
 */
import { describe, expect, test } from 'vitest'
import encrypt from '../../../processors/encrypt/index.ts'
import type { Host, Processor } from '../../../src/contract.ts'
import { openKeyRing, openToken } from '../../../src/keys/decrypt.ts'
import { readRequest } from '../../../src/otlp/read.ts'
import { LogsRequest } from '../../../src/otlp/request.ts'
import { type Form, Splicer } from '../../../src/otlp/splice.ts'
import { Chain } from '../../../src/pipeline/chain.ts'
import { acme, freshFolder, testSealer } from '../../keys/support.ts'
import { decodeRequest, encodeRequest, type KeyValue, type Request } from '../../oracle/otlp.ts'

const string = (value: string) => ({ stringValue: value })
const sample: Request = {
  resourceLogs: [
    {
      resource: {
        attributes: [
          { key: 'host.name', value: string('canary-host') },
          { key: 'service.name', value: string('shop') },
        ],
      },
      scopeLogs: [
        {
          scope: { name: 'scope', attributes: [{ key: 'team', value: string('canary-team') }] },
          logRecords: [
            {
              severityText: 'INFO',
              eventName: 'order.placed',
              body: string('canary-body'),
              attributes: [
                { key: 'comment', value: string('canary-comment') },
                { key: 'comment', value: { intValue: 4711n } },
                { key: 'count', value: { intValue: 3n } },
                {
                  key: 'form',
                  value: { kvlistValue: { values: [{ key: 'name', value: string('canary-name') }] } },
                },
              ],
            },
          ],
        },
      ],
    },
  ],
}

function counting(): { host: Host; marked: () => number } {
  let total = 0
  const add = (n: number): void => {
    total += n
  }
  const counter = { add, with: () => counter }
  return { host: { counter: () => counter } as unknown as Host, marked: () => total }
}

function runChain(request: LogsRequest, processor: Processor, report: (error: unknown) => void): void {
  const counter = { add: () => {} }
  const chain = [{ id: 'encrypt', processor, incoming: counter, outgoing: counter }]
  new Chain(request, chain, (_id, error) => report(error)).run(new Uint8Array(request.resources.count))
}

async function run(config: object, content: Form['content'], dir = freshFolder()) {
  const { sealer } = await testSealer(dir)
  const { host, marked } = counting()
  const request = new LogsRequest()
  readRequest(request, encodeRequest(sample))
  const failures: unknown[] = []
  const processor = encrypt.create(encrypt.config.parse(config), host)
  runChain(request, processor, (error) => failures.push(error))
  expect(failures).toEqual([])
  const form: Form = { content, appendix: Buffer.alloc(0), seal: (value, field) => sealer.seal(value, acme, field) }
  const plan = { records: Int32Array.of(0), formOf: new Uint16Array(1), count: 1, forms: [form] }
  const bytes = new Splicer().splice(request, plan)
  const group = decodeRequest(Buffer.from(bytes)).resourceLogs?.[0]
  const scope = group?.scopeLogs?.[0]
  return { dir, text: bytes.toString('latin1'), marked, group, scope, record: scope?.logRecords?.[0] }
}
const valuesOf = (attributes: KeyValue[] | undefined, key: string) =>
  (attributes ?? []).filter((entry) => entry.key === key).map(({ value }) => value)

async function open(dir: string, token: string | undefined, field: string) {
  return openToken(token ?? '', { tenant: 'acme' }, [field], await openKeyRing({ dir }))
}

describe('encrypt', () => {
  test('what is configured leaves as a token that opens to the same value; the rest leaves as it is', async () => {
    const fields = [
      'log.body',
      'log.attributes["comment"]',
      'resource.attributes["host.name"]',
      'scope.attributes["team"]',
    ]
    const { dir, record, group, scope, marked } = await run({ fields }, 'seal')
    expect(await open(dir, record?.body?.stringValue, 'log.body')).toMatchObject({
      value: { kind: 'string', value: 'canary-body' },
    })
    const [first, second] = valuesOf(record?.attributes, 'comment')
    const field = 'log.attributes["comment"]'
    expect(await open(dir, first?.stringValue, field)).toMatchObject({ value: { value: 'canary-comment' } })
    expect(await open(dir, second?.stringValue, field)).toMatchObject({ value: { kind: 'int', value: 4711n } })
    const [host] = valuesOf(group?.resource?.attributes, 'host.name')
    expect(await open(dir, host?.stringValue, 'resource.attributes["host.name"]')).toMatchObject({
      value: { value: 'canary-host' },
    })
    const [team] = valuesOf(scope?.scope?.attributes, 'team')
    expect(await open(dir, team?.stringValue, 'scope.attributes["team"]')).toMatchObject({
      value: { value: 'canary-team' },
    })
    expect(valuesOf(record?.attributes, 'count')).toEqual([{ intValue: 3n }])
    expect(valuesOf(group?.resource?.attributes, 'service.name')).toEqual([string('shop')])
    expect(record).toMatchObject({ severityText: 'INFO', eventName: 'order.placed' })
    expect(marked()).toBe(5)
  })

  test('a path below an attribute or the body seals the whole of it', async () => {
    const { dir, record, text } = await run({ fields: ['log.attributes["form"]["name"]', 'body["x"]'] }, 'seal')
    const [form] = valuesOf(record?.attributes, 'form')
    expect(await open(dir, form?.stringValue, 'log.attributes["form"]')).toMatchObject({ value: { kind: 'kvlist' } })
    expect(text).not.toContain('canary-name')
    expect(text).not.toContain('canary-body')
  })

  test('names and texts that are no attributes can be sealed too', async () => {
    const fields = ['log.event_name', 'log.severity_text', 'scope.name']
    const { dir, record, scope } = await run({ fields }, 'seal')
    expect(await open(dir, record?.eventName, 'log.event_name')).toMatchObject({ value: { value: 'order.placed' } })
    expect(await open(dir, record?.severityText, 'log.severity_text')).toMatchObject({ value: { value: 'INFO' } })
    expect(await open(dir, scope?.scope?.name, 'scope.name')).toMatchObject({ value: { value: 'scope' } })
  })

  test('a copy that may not hold content has neither value nor token', async () => {
    const { text, record } = await run({ fields: ['log.attributes["comment"]'] }, 'drop')
    expect(text).not.toMatch(/canary-comment|cose:/)
    expect(valuesOf(record?.attributes, 'comment')).toEqual([])
  })

  test('a copy that keeps content has it in the clear, unless the field is sealed always', async () => {
    expect((await run({ fields: ['log.body'] }, 'keep')).text).toContain('canary-body')
    const always = await run({ fields: ['log.body'], always: true }, 'keep')
    expect(always.text).not.toContain('canary-body')
    expect(always.record?.body?.stringValue).toMatch(/^cose:/)
  })

  test('a sealer that throws ends the copy: nothing leaves', async () => {
    const request = new LogsRequest()
    readRequest(request, encodeRequest(sample))
    const processor = encrypt.create(encrypt.config.parse({ fields: ['log.body'] }), counting().host)
    runChain(request, processor, () => {})
    const seal = () => {
      throw new Error('no key')
    }
    const plan = {
      records: Int32Array.of(0),
      formOf: new Uint16Array(1),
      count: 1,
      forms: [{ content: 'seal', appendix: Buffer.alloc(0), seal } as Form],
    }
    expect(() => new Splicer().splice(request, plan)).toThrow('no key')
  })

  test.for([
    [{ fields: ['log.severity_number'] }, /cannot be sealed/],
    [{ fields: ['log.attributes'] }, /cannot be sealed/],
    [{ fields: ['log.bdoy'] }, /bdoy/],
    [{ fields: ['log.attributes["a'] }, /./],
  ] as const)('a wrong path is refused at start: %j', ([config, message]) => {
    const create = () => encrypt.create(encrypt.config.parse(config), counting().host)
    expect(create).toThrow(message)
    try {
      create()
    } catch (error) {
      expect(error).toMatchObject({ code: 'config', path: ['fields', 0] })
    }
  })

  test('unknown options and an empty list are refused', () => {
    expect(encrypt.config.safeParse({ fields: ['log.body'], filds: [] }).success).toBe(false)
    expect(encrypt.config.safeParse({ fields: [] }).success).toBe(false)
  })
})
