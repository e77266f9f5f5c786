/** Only metadata leaves: templates of messages, structured bodies, purposes that may have different things. */
import { describe, expect, test } from 'vitest'
import { templateOf } from '../../../processors/minimize/template.ts'
import { minimizeRecord, text } from './support.ts'

const silent = { annotations: 'silent' }
const body = {
  kvlistValue: {
    values: [
      { key: 'event', value: text('login of jane@example.com') },
      {
        key: 'user',
        value: {
          kvlistValue: {
            values: [
              { key: 'id', value: { intValue: 7n } },
              { key: 'plan', value: text('pro') },
            ],
          },
        },
      },
      { key: 'comment', value: text('private words') },
    ],
  },
}

describe('the template of a message', () => {
  test.each([
    ['User <email> (42) exported report.pdf in 310 ms', 'User <email> (<*>) exported <*> in <*> ms'],
    ['Jane Peeters logged in from 10.1.2.3', '<*> logged in from <*>'],
    [
      'Failed to connect to Redis at redis://x:6379: connection refused',
      'Failed to connect to <*> at <*>: connection refused',
    ],
    ['password for Will is correct', 'password for <*> is correct'],
    ['User opened folder "Salaries 2024"', 'User opened folder "<*>"'],
    ['Request failed\n  at secret.js:12', 'Request failed <*>'],
    ['Überweisung an Müller fehlgeschlagen', '<*> an <*>'],
    ['jane', '<*>'],
    ['', ''],
  ])('%s', (message, expected) => expect(templateOf(message, new Set())).toBe(expected))
  test('words of the config are constant too', () => {
    expect(templateOf('Vertrag 17 freigegeben von Ute', new Set(['vertrag', 'freigegeben', 'von']))).toBe(
      'Vertrag <*> freigegeben von <*>',
    )
  })
  test('stays where the body goes', () => {
    const config = { metadata: { allowed_keys: [], template: true }, ...silent }
    const { attributes, body } = minimizeRecord({ body: text('Upload of jane@example.com failed') }, { config })
    expect(body).toBeUndefined()
    expect(attributes).toEqual({ 'douane.template': 'Upload of <email> failed' })
  })
})

describe('a structured body', () => {
  const allowed = ['log.body.event', 'log.body.user.*']
  test('is judged field by field, and is no content any more', () => {
    const config = { metadata: { allowed_keys: ['log.body.event', 'log.body.user.plan'] }, ...silent }
    const left = minimizeRecord({ body }, { config, copy: { content: 'drop' } })
    expect(left.body).toEqual({ event: 'login of <email>', user: { plan: 'pro' } })
  })
  test('as JSON too; numbers keep their digits', () => {
    const sent = '{"event":"x","user":{"id":12345678901234567890.10,"plan":null},"comment":"private"}'
    const config = { metadata: { allowed_keys: allowed }, ...silent }
    expect(minimizeRecord({ body: text(sent) }, { config, copy: { content: 'drop' } }).body).toBe(
      '{"event":"x","user":{"id":12345678901234567890.10,"plan":null}}',
    )
  })
  test('is sealed whole, with what is allowed beside it', () => {
    const config = { metadata: { allowed_keys: allowed, otherwise: 'encrypt' }, ...silent }
    const { attributes, body: left } = minimizeRecord({ body }, { config, copy: { content: 'seal' } })
    expect(left).toBe('cose:sealed')
    expect(attributes['douane.body']).toEqual({ event: 'login of <email>', user: { id: 7n, plan: 'pro' } })
    expect(minimizeRecord({ body }, { config, copy: { content: 'drop' } }).body).toBeUndefined()
  })
  test('of which nothing is allowed goes; a glob that does not name the body allows nothing of it', () => {
    for (const allowed_keys of [['log.body.nothing'], ['*'], ['log.*']]) {
      const config = { metadata: { allowed_keys }, ...silent }
      expect(minimizeRecord({ body }, { config }).body).toBeUndefined()
    }
  })
})

describe('purposes with different rules', () => {
  const record = {
    body: text('free text'),
    attributes: [
      { key: 'invoice.id', value: text('i1') },
      { key: 'comment', value: text('c1') },
    ],
  }
  const config = {
    purposes: {
      billing: { metadata: { allowed_keys: ['invoice.*'], otherwise: 'drop' } },
      support: { metadata: { allowed_keys: ['comment'], otherwise: 'encrypt' } },
    },
    ...silent,
  }
  const left = (copy: { content?: 'keep' | 'drop' | 'seal'; purposes: number }) => {
    const { attributes, body } = minimizeRecord(record, { config, purposes: 3, copy })
    return { ...attributes, body }
  }
  test('each copy holds what its purposes may have', () => {
    expect(left({ purposes: 1, content: 'keep' })).toEqual({ 'invoice.id': 'i1', body: undefined })
    expect(left({ purposes: 2, content: 'seal' })).toEqual({
      'invoice.id': 'cose:sealed',
      comment: 'c1',
      body: 'cose:sealed',
    })
    expect(left({ purposes: 2, content: 'drop' })).toEqual({ comment: 'c1', body: undefined })
    expect(left({ purposes: 3, content: 'drop' })).toEqual({ 'invoice.id': 'i1', comment: 'c1', body: undefined })
  })
})
