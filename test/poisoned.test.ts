/** That the poison works: processors that keep what is lent to them are found out. */
import { expect, test } from 'vitest'
import type { Processor } from '../src/contract.ts'
import type { LogRecord } from '../src/otlp/record.ts'
import type { Resource } from '../src/otlp/request.ts'
import { sample } from './conforms_processor.ts'
import { Bench } from './poisoned.ts'

const run = (make: () => Processor, isPoisoned: boolean) => new Bench([make()], isPoisoned).run(sample, 1n)

test('a processor that keeps a view', () => {
  const keeps = (): Processor => {
    let kept: Resource | undefined
    return {
      resource: (view) => {
        kept = view
      },
      record: () => (kept!.find('service.name') === -1 ? 'drop' : 'keep'),
    }
  }
  expect(run(keeps, false).failures).toEqual([])
  expect(run(keeps, true).failures[0]).toMatch(/revoked/)
})
test('a processor that keeps a part of a view', () => {
  const keeps = (): Processor => {
    let kept: LogRecord['attributes'] | undefined
    return {
      record: (view) => {
        kept ??= view.attributes
        return kept.find('user.id') === -1 ? 'drop' : 'keep'
      },
    }
  }
  expect(run(keeps, false).failures).toEqual([])
  expect(run(keeps, true).failures[0]).toMatch(/revoked/)
})
test('a processor that keeps the number of a slot', () => {
  const keeps = (): Processor => {
    let kept = -1
    return {
      record: (view) => {
        if (kept === -1) kept = view.body
        view.add('douane.first', { kind: 'string', value: String(view.slots.kind(kept)) })
        return 'keep'
      },
    }
  }
  expect(run(keeps, true)).not.toEqual(run(keeps, false))
})
test('a processor that keeps to its call goes unharmed', () => {
  const keeps = (): Processor => ({
    record: (view) => {
      view.add('douane.size', { kind: 'int', value: BigInt(view.slots.text(view.body).length) })
      return 'keep'
    },
  })
  expect(run(keeps, true)).toEqual(run(keeps, false))
})
