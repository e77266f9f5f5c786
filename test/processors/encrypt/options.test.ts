/** The options of `encrypt`, through a whole pipeline: whose content it is, how tokens are made, keys that are away. */
import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import encrypt from '../../../processors/encrypt/index.ts'
import type { Host } from '../../../src/contract.ts'
import { BlindIndex } from '../../../src/keys/blind_index.ts'
import { eraseSubject, readmitSubject } from '../../../src/keys/erasure.ts'
import { openKeyHolder } from '../../../src/keys/operations.ts'
import { limits } from '../../../src/limits.ts'
import { acme, decryptRows, freshFolder, noonMs, text as textValue } from '../../keys/support.ts'
import type { LogRecord } from '../../oracle/otlp.ts'
import { attributeOf, encryptingPipeline, text } from './pipeline_rig.ts'

const written = (who: string | undefined, body: string, more: LogRecord = {}): LogRecord => ({
  ...more,
  body: { stringValue: body },
  attributes: [...(who === undefined ? [] : [text('enduser.id', who)]), ...(more.attributes ?? [])],
})
const personal = { fields: ['log.body'], subject: 'log.attributes["enduser.id"]' }
const anna = { tenant: 'acme', id: 'anna' }

async function change(dir: string, how = eraseSubject): Promise<void> {
  const { signer } = await openKeyHolder(dir)
  await how(anna, { dir, signer, keysFolders: [dir], reason: 'ticket 4711', nowMs: noonMs })
}

describe('subject', () => {
  test("each person's content has a key of his own; records say whose by a reference", async () => {
    const dir = freshFolder()
    const { send, open } = await encryptingPipeline(dir, personal)
    const sent = [written('anna', 'one'), written('bert', 'two'), written('anna', 'three'), written(undefined, 'four')]
    const { records, answer } = await send(sent)
    expect(answer).toEqual({ is: 'ok' })
    const refs = records.map((record) => attributeOf(record, 'douane.subject_ref')?.stringValue)
    expect(refs[0]).toMatch(/^[\w-]{22}$/)
    expect(refs).toEqual([refs[0], refs[1], refs[0], undefined])
    expect(refs[1]).not.toBe(refs[0])
    for (const [i, body] of ['one', 'two', 'three', 'four'].entries()) {
      const opened = await open(records[i]!.body!.stringValue, 'log.body')
      expect(opened).toMatchObject({ is: 'opened', value: { value: body } })
    }
  })

  test('a person can be named by the resource, by a number; the first attribute that answers counts', async () => {
    const dir = freshFolder()
    const subject = ['log.attributes["user.number"]', 'resource.attributes["enduser.id"]']
    const fields = ['log.body', 'resource.attributes["host.name"]']
    const { send, open, sealer } = await encryptingPipeline(dir, { fields, subject })
    const numbered = { body: { stringValue: 'x' }, attributes: [{ key: 'user.number', value: { intValue: 7n } }] }
    const { records, group } = await send([numbered, written(undefined, 'y')], 'acme', [
      text('enduser.id', 'anna'),
      text('host.name', 'annas-laptop'),
    ])
    const refs = records.map((record) => attributeOf(record, 'douane.subject_ref')?.stringValue)
    expect(refs).toEqual([sealer.of('acme', '7').ref, sealer.of('acme', 'anna').ref])
    const host = group?.resource?.attributes?.find(({ key }) => key === 'host.name')?.value?.stringValue
    expect(await open(host, 'resource.attributes["host.name"]')).toMatchObject({ value: { value: 'annas-laptop' } })
    await change(dir)
    expect(await open(host, 'resource.attributes["host.name"]')).toEqual({ is: 'destroyed' })
    expect(await open(records[0]!.body!.stringValue, 'log.body')).toMatchObject({ is: 'opened' })
    expect(await open(records[1]!.body!.stringValue, 'log.body')).toEqual({ is: 'destroyed' })
  })

  test('an erased person: what was sealed opens no more, what comes later is left out, others are not touched', async () => {
    const dir = freshFolder()
    const { send, open, clock, counts } = await encryptingPipeline(dir, personal)
    const [before, other] = (await send([written('anna', 'secret'), written('bert', 'fine')])).records
    await change(dir)
    expect(await open(before!.body!.stringValue, 'log.body')).toEqual({ is: 'destroyed' })
    expect(await open(other!.body!.stringValue, 'log.body')).toMatchObject({ is: 'opened' })
    clock.ms += limits.keyStoreLookMs
    const { records, answer } = await send([written('anna', 'late'), written('bert', 'still fine')])
    expect(answer).toEqual({ is: 'ok' })
    expect(records[0]!.body).toBeUndefined()
    expect(attributeOf(records[0], 'douane.subject_ref')).toBeUndefined()
    expect(await open(records[1]!.body!.stringValue, 'log.body')).toMatchObject({ value: { value: 'still fine' } })
    expect(counts['fields_of_erased']).toBe(1)
    await change(dir, readmitSubject)
    clock.ms += limits.keyStoreLookMs
    const back = (await send([written('anna', 'new')])).records[0]!
    expect(await open(back.body!.stringValue, 'log.body')).toMatchObject({ value: { value: 'new' } })
    expect(await open(before!.body!.stringValue, 'log.body')).toEqual({ is: 'destroyed' })
  })

  test('people over the quota: flagged, sealed to a key that ends after some days', async () => {
    const dir = freshFolder()
    const { send, open, counts } = await encryptingPipeline(dir, personal, { subjects: { perTenantMax: 1 } })
    const { records } = await send([written('anna', 'one'), written('bert', 'two')])
    expect(attributeOf(records[0], 'douane.subject_over_quota')).toBeUndefined()
    expect(attributeOf(records[1], 'douane.subject_over_quota')).toEqual({ boolValue: true })
    expect(counts['records_over_quota']).toBe(1)
    const opened = await open(records[1]!.body!.stringValue, 'log.body')
    expect(opened).toMatchObject({
      is: 'opened',
      record: { retention: `${limits.overQuotaDaysMax}d`, period: '2026-11-21' },
    })
  })

  test('rows in a lost file: nothing is sealed for people, others are served', async () => {
    const dir = freshFolder()
    const { send, clock } = await encryptingPipeline(dir, personal)
    await send([written('anna', 'one')])
    renameSync(join(dir, 'subjects'), join(dir, 'gone'))
    clock.ms += limits.keyStoreLookMs
    expect((await send([written('anna', 'two')])).answer).toMatchObject({ is: 'unavailable' })
    expect((await send([written(undefined, 'three')])).answer).toEqual({ is: 'ok' })
  })

  test.for([
    ['log.body'],
    ['scope.attributes["x"]'],
    ['log.attributes["a"]["b"]'],
    ['log.attributes'],
  ])('a path that names nobody is refused: %s', ([subject]) => {
    const host = { counter: () => ({ add() {} }), subjects: {} } as unknown as Host
    const create = () => encrypt.create(encrypt.config.parse({ fields: ['log.body'], subject }), host)
    expect(create).toThrow(/cannot name a person/)
  })
})

describe('tokens by choice', () => {
  test('padded: values of many lengths have few', async () => {
    const { send, open } = await encryptingPipeline(freshFolder(), { fields: ['log.body'], pad_to: [32, 128, 1000] })
    const lengths = [0, 1, 20, 26, 27, 28, 29, 30, 31, 100, 126, 900, 995, 996, 997, 1500, 2500]
    const { records } = await send(lengths.map((length) => written(undefined, 'x'.repeat(length))))
    const tokens = records.map((record) => record.body!.stringValue!)
    for (const [i, length] of lengths.entries()) {
      expect(await open(tokens[i], 'log.body')).toMatchObject({ value: { kind: 'string', value: 'x'.repeat(length) } })
    }
    const sizes = tokens.map((token) => Buffer.from(token.slice(5), 'base64url').length)
    expect(new Set(sizes).size).toBe(5)
  })

  test('padded values of every kind come back as what they were', async () => {
    const { sealer, open } = await encryptingPipeline(freshFolder(), { fields: ['log.body'] })
    const kinds = [
      '',
      '1801',
      '18ffffffffffffffffff01',
      '210000000000000440',
      '3a0200ff',
      '1001',
      '2a040a021801',
      '0a00',
    ]
    for (const hex of kinds) {
      const token = sealer.seal(Buffer.from(hex, 'hex'), acme, 'log.body', { padTo: [64] })
      const plain = sealer.seal(Buffer.from(hex, 'hex'), acme, 'log.body')
      const [padded, bare] = [await open(token, 'log.body'), await open(plain, 'log.body')]
      expect(padded).toEqual(bare)
      expect(padded).toMatchObject({ is: 'opened' })
    }
  })

  test('in bytes attributes, where the field can be bytes; `decrypt` finds them in rows', async () => {
    const dir = freshFolder()
    const fields = ['log.body', 'log.attributes["n"]', 'log.event_name']
    const { send } = await encryptingPipeline(dir, { fields, encoding: 'bytes' })
    const attributes = [{ key: 'n', value: { intValue: 4711n } }]
    const { records } = await send([{ ...written(undefined, 'hello', { attributes }), eventName: 'e' }])
    const { body, eventName } = records[0]!
    const number = attributeOf(records[0], 'n')!.bytesValue!
    expect(Buffer.from(body!.bytesValue!).toString('hex')).toMatch(/^d08344a1011818/)
    expect(eventName).toMatch(/^cose:/)
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
    const plain = { tenant: 'acme', body: base64(body!.bytesValue!), attributes: { n: base64(number) } }
    const otlp = {
      body: { bytesValue: base64(body!.bytesValue!) },
      attributes: [{ key: 'n', value: { bytesValue: base64(number) } }],
    }
    const { rows } = await decryptRows(dir, [plain, otlp])
    expect(rows[0]).toMatchObject({ body: 'hello', attributes: { n: 4711 } })
    expect(rows[1]).toMatchObject({
      body: { stringValue: 'hello' },
      attributes: [{ key: 'n', value: { intValue: '4711' } }],
    })
  })

  test('bound to its record, a token opens in no other; where a record has no uid it is not bound', async () => {
    const { send, open } = await encryptingPipeline(freshFolder(), { fields: ['log.body'], bind_record: true })
    const uid = (value: string) => ({ attributes: [text('log.record.uid', value)] })
    const { records } = await send([
      written(undefined, 'one', uid('01A')),
      written(undefined, 'two', uid('01B')),
      written(undefined, 'three'),
    ])
    const tokens = records.map((record) => record.body!.stringValue)
    const stated = (recordUid: string) => ({ tenant: 'acme', recordUid })
    expect(await open(tokens[0], 'log.body', stated('01A'))).toMatchObject({ value: { value: 'one' } })
    expect(await open(tokens[0], 'log.body', stated('01B'))).toEqual({ is: 'refused' })
    expect(await open(tokens[0], 'log.body')).toEqual({ is: 'refused' })
    expect(await open(tokens[1], 'log.body', stated('01B'))).toMatchObject({ value: { value: 'two' } })
    expect(await open(tokens[2], 'log.body', stated('01B'))).toMatchObject({ value: { value: 'three' } })
  })

  test('blind indexes: equal for equal values of a tenant, a field and a month only; they hold no value', async () => {
    const dir = freshFolder()
    const config = { fields: ['log.body', 'log.attributes["order"]'], index: true }
    const { send, sealer, clock } = await encryptingPipeline(dir, config)
    const key = 'douane.index.log.body'
    const indexes = async (tenant = 'acme') =>
      (
        await send(
          [
            written(undefined, 'a'),
            written(undefined, 'b'),
            written(undefined, 'a', { attributes: [text('order', 'a')] }),
          ],
          tenant,
        )
      ).records
    const records = await indexes()
    const of = (record: LogRecord | undefined, field = key) => attributeOf(record, field)?.stringValue
    expect(of(records[0])).toMatch(/^[0-9a-f]{24}$/)
    expect(of(records[2])).toBe(of(records[0]))
    expect(of(records[1])).not.toBe(of(records[0]))
    expect(of(records[2], 'douane.index.log.attributes["order"]')).not.toBe(of(records[0]))
    expect(of((await indexes('globex'))[0])).not.toBe(of(records[0]))
    expect(sealer.index!(textValue('a'), 'acme', 'log.body')).toBe(of(records[0]))
    expect(new BlindIndex(dir).find(textValue('a'), 'acme', 'log.body', noonMs)).toBe(of(records[0]))
    const nothing = () => new BlindIndex(freshFolder()).find(textValue('a'), 'acme', 'log.body', noonMs)
    expect(nothing).toThrow(/nothing was indexed/)
    clock.ms = Date.UTC(2026, 11, 1)
    expect(of((await indexes())[0])).not.toBe(of(records[0]))
  })

  test('messages carry the sealed keys of their tokens: the key store of the gateway may get lost', async () => {
    const dir = freshFolder()
    const { send, sealer } = await encryptingPipeline(dir, { fields: ['log.body'], carry_keys: true })
    const { records } = await send([written(undefined, 'one'), written(undefined, 'two'), written(undefined, 'three')])
    const carried = records.flatMap((record) => attributeOf(record, 'douane.epoch_key')?.stringValue ?? [])
    expect(carried).toHaveLength(1)
    expect(JSON.parse(carried[0]!)).toMatchObject({ v: 1, tenant: 'acme', sealed: expect.any(String) })
    const again = (await send([written(undefined, 'four')])).records
    expect(attributeOf(again[0], 'douane.epoch_key')?.stringValue).toBe(carried[0])
    sealer.close()
    rmSync(join(dir, 'epochs'), { recursive: true })
    const rows = records.map(({ body }) => ({ tenant: 'acme', body: body!.stringValue }))
    expect((await decryptRows(dir, rows)).counts).toMatchObject({ opened: 0, unknown: 3 })
    const carrier = { attributes: { 'douane.epoch_key': carried[0] } }
    const otlp = { attributes: [{ key: 'douane.epoch_key', value: { stringValue: carried[0] } }] }
    for (const first of [carrier, otlp]) {
      const opened = await decryptRows(dir, [{ ...first, body: 'cose:' }, ...rows])
      expect(opened.rows.slice(1).map(({ body }) => body)).toEqual(['one', 'two', 'three'])
    }
    const forged = JSON.stringify({ ...JSON.parse(carried[0]!), tenant: 'globex' })
    const wrong = await decryptRows(dir, [{ attributes: { 'douane.epoch_key': forged }, body: 'cose:' }, ...rows])
    expect(wrong.counts).toMatchObject({ opened: 0, damaged: 3 })
  })

  test('lengths that do not rise are refused', () => {
    const host = { counter: () => ({ add() {} }) } as unknown as Host
    const create = () => encrypt.create(encrypt.config.parse({ fields: ['log.body'], pad_to: [64, 64] }), host)
    expect(create).toThrow(/do not rise/)
  })
})

describe('keys that are away', () => {
  const lose = (dir: string) => renameSync(join(dir, 'worker'), join(dir, 'away'))
  const giveBack = (dir: string) => renameSync(join(dir, 'away'), join(dir, 'worker'))

  test.for([
    ['wait', { is: 'unavailable' }, []],
    ['quarantine', { is: 'ok' }, ['quarantine']],
    ['reject', { is: 'bad' }, []],
    ['drop', { is: 'ok' }, ['store']],
  ] as const)('%s: %j, and nothing in the clear; afterwards all is well again', async ([
    on_key_failure,
    answer,
    to,
  ]) => {
    const dir = freshFolder()
    const { send, clock, counts, open, account } = await encryptingPipeline(dir, {
      fields: ['log.body'],
      on_key_failure,
    })
    await send([written(undefined, 'before')])
    lose(dir)
    clock.ms += limits.keyStoreLookMs
    const away = await send([written(undefined, 'canary-4711'), written(undefined, 'canary-4712')])
    expect(away.answer).toMatchObject(answer)
    expect(away.to).toEqual(to)
    if (on_key_failure === 'drop') {
      expect(away.records.map(({ body }) => body)).toEqual([undefined, undefined])
      expect(counts['unsealed_fields']).toBe(2)
    }
    const { received, rejected, quarantined } = account.of('acme')
    const expected = { wait: [1, 0, 0], quarantine: [3, 0, 2], reject: [3, 2, 0], drop: [3, 0, 0] }
    expect([received, rejected, quarantined]).toEqual(expected[on_key_failure])
    giveBack(dir)
    clock.ms += limits.keyRetryMs
    const back = await send([written(undefined, 'after')])
    expect(await open(back.records[0]!.body!.stringValue, 'log.body')).toMatchObject({ value: { value: 'after' } })
  })

  test('the files of epoch keys are removed under the gateway: what is sealed from then on opens', async () => {
    const dir = freshFolder()
    const { send, clock, open, log } = await encryptingPipeline(dir, { fields: ['log.body'] })
    const lost = (await send([written(undefined, 'one')])).records[0]!
    rmSync(join(dir, 'epochs'), { recursive: true })
    clock.ms += limits.keyStoreLookMs
    expect((await send([written(undefined, 'two')])).answer).toMatchObject({ is: 'unavailable' })
    expect(log.lines.join('\n')).toMatch(/keys.unavailable.*removed or replaced/)
    clock.ms += limits.keyRetryMs
    const next = (await send([written(undefined, 'three')])).records[0]!
    expect(await open(lost.body!.stringValue, 'log.body')).toEqual({ is: 'unknown' })
    expect(await open(next.body!.stringValue, 'log.body')).toMatchObject({ value: { value: 'three' } })
  })

  test('the whole folder is replaced by another: nothing is sealed into it, nor into the one that is gone', async () => {
    const [dir, other] = [freshFolder(), freshFolder()]
    const { send, clock } = await encryptingPipeline(dir, { fields: ['log.body'] })
    await send([written(undefined, 'one')])
    await (await encryptingPipeline(other, { fields: ['log.body'] })).send([written(undefined, 'x')])
    const stored = () => readdirSync(join(dir, 'epochs'), { recursive: true }).length
    renameSync(dir, `${dir}.gone`)
    renameSync(other, dir)
    const before = stored()
    for (let second = 0; second < 5; second++) {
      clock.ms += limits.keyStoreLookMs
      expect((await send([written(undefined, 'two')])).answer).toMatchObject({ is: 'unavailable' })
    }
    expect(stored()).toBe(before)
    rmSync(dir, { recursive: true })
    renameSync(`${dir}.gone`, dir)
    clock.ms += limits.keyRetryMs
    expect((await send([written(undefined, 'three')])).answer).toEqual({ is: 'ok' })
  })

  test('a recipient key that is destroyed ends its epoch within a second', async () => {
    const dir = freshFolder()
    const { send, clock } = await encryptingPipeline(dir, { fields: ['log.body'] })
    await send([written(undefined, 'one')])
    rmSync(join(dir, 'recipients'), { recursive: true })
    clock.ms += limits.keyStoreLookMs
    expect((await send([written(undefined, 'two')])).answer).toMatchObject({ is: 'unavailable' })
  })
})
