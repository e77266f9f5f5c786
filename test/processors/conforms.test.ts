/** Every processor of the registry through the conformance suite. */
import { expect, test } from 'vitest'
import { processors } from '../../processors/registry.ts'
import type { ProcessorComponent } from '../../src/contract.ts'
import { conformsProcessor, type Subject } from '../conforms_processor.ts'

const subjects: Readonly<Record<string, Omit<Subject, 'component'>>> = {
  normalize_clock: { options: { mode: 'correct' }, moves: ['altered_records'] },
  tag_purpose: {
    options: {
      rules: [
        { purpose: 'security', when: 'HasPrefix(log.event_name, "auth.")' },
        { purpose: ['usage', 'billing'], when: 'IsMatch(log.attributes["comment"], "canary-comment-[0-9]+")' },
        { purpose: 'support', when: 'resource.attributes["service.name"] == "shop-1" and scope.name == "lib"' },
      ],
      default: ['support'],
    },
    moves: ['rule_matches'],
  },
  minimize: {
    options: {
      detectors: { email: 'hash' },
      keys: { 'user.id': 'hash' },
      metadata: { allowed_keys: ['service.*', 'count', 'user.id'], otherwise: 'encrypt' },
      annotations: 'debug',
    },
    moves: ['minimized'],
  },
  encrypt: { options: { fields: ['log.body', 'log.attributes["comment"]', 'scope.name'] }, moves: ['fields_marked'] },
}
const byName = new Map<string, ProcessorComponent>(processors.map((each) => [each.name, each]))

test('the suite knows every processor, and no other', () => {
  expect(Object.keys(subjects).toSorted()).toEqual([...byName.keys()].toSorted())
})
for (const [name, subject] of Object.entries(subjects)) {
  const component = byName.get(name)
  if (component !== undefined) conformsProcessor({ component, ...subject })
}
