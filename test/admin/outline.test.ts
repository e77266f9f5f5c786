/** What is shown of a request that was set aside: its shape, and nothing that it says. */
import { expect, test } from 'vitest'
import { outlineOf } from '../../src/admin/outline.ts'
import { attributes, bytes, record, request } from '../e2e/requests.ts'
import { seeded } from '../oracle/random.ts'

test('names, kinds and sizes; the routing in words', () => {
  const secret = 'grüße von jane@example.com'
  const one = record(secret, {
    eventName: 'auth.login',
    with: {
      text: secret,
      n: 7n,
      f: 0.5,
      yes: true,
      raw: Buffer.alloc(5),
      'jane@example.com': 'x',
      sealed: 'cose:AAAA',
    },
    timeUnixNano: 1_763_640_000_123_456_789n,
  })
  const purposes = { arrayValue: { values: [{ stringValue: 'support' }, { stringValue: 'billing' }] } }
  const map = { kvlistValue: { values: attributes({ a: 'b', c: 'd' }) } }
  one.attributes!.push(
    { key: 'douane.purpose', value: purposes },
    { key: 'map', value: map },
    { key: 'none', value: {} },
  )
  const body = bytes(request('acme', [one, record('second'), record('third')], { 'douane.tenant': 'acme' }))
  const outline = outlineOf(body, 2)!
  expect(outline.more).toBe(1)
  expect(outline.resources[0]!.attributes).toEqual([
    ['tenant.id', 'text, 4 bytes'],
    ['service.name', 'text, 8 bytes'],
    ['douane.tenant', 'acme'],
  ])
  expect(outline.resources[0]!.records[0]).toEqual({
    severity_number: 9,
    time: '2025-11-20T12:00:00.123Z',
    event_name: 'text, 10 bytes',
    body: 'text, 28 bytes',
    attributes: [
      ['text', 'text, 28 bytes'],
      ['n', 'whole number'],
      ['f', 'number'],
      ['yes', 'true or false'],
      ['raw', 'bytes, 5'],
      ['(a name of 16 bytes)', 'text, 1 bytes'],
      ['sealed', 'sealed, 9 bytes'],
      ['douane.purpose', 'support, billing'],
      ['map', 'map of 2'],
      ['none', 'nothing'],
    ],
  })
  for (const said of ['jane', 'example', 'grü', 'second']) expect(JSON.stringify(outline)).not.toContain(said)
})

test('what cannot be read has none; damaged requests never throw, nor show what they say', () => {
  expect(outlineOf(Buffer.from('nonsense'), 5)).toBeUndefined()
  expect(outlineOf(Buffer.alloc(0), 5)).toEqual({ resources: [], more: 0 })
  const random = seeded(3)
  const whole = bytes(request('acme', [record('canary canary canary', { with: { a: 'canary', b: 'canary' } })]))
  for (let round = 0; round < 2000; round++) {
    const body = Buffer.from(whole)
    body[Math.floor(random() * body.length)] = Math.floor(random() * 256)
    expect(JSON.stringify(outlineOf(body, 5) ?? '')).not.toContain('canary canary')
  }
})
