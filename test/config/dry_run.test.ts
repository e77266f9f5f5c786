import { expect, test } from 'vitest'
import { z } from 'zod'
import { builtIn } from '../../config/built_in.ts'
import { dryRun } from '../../config/dry_run.ts'
import { loadConfig } from '../../config/load.ts'
import { type ExporterComponent, exporter, type ProcessorComponent, processor } from '../../src/contract.ts'
import { ConfigError } from '../../src/errors.ts'
import { told, written } from './registries.ts'

let closed = 0
const picky = processor({
  name: 'picky',
  config: z.strictObject({ when: z.string(), purpose: z.string().optional() }),
  create: ({ when, purpose }, host) => {
    if (purpose !== undefined) host.purposes.bit(purpose)
    if (when !== 'good') throw new ConfigError('the condition is wrong', ['when'], 'write good')
    return {}
  },
}) as unknown as ProcessorComponent
const sender = exporter({
  name: 'sender',
  purposes: 'merged',
  local: true,
  config: z.strictObject({ header: z.string() }),
  create: ({ header }) => {
    if (header === 'host') throw new ConfigError('this header is not yours to set', ['header'])
    return { send: async () => ({ is: 'accepted' }), close: async () => void closed++ }
  },
}) as unknown as ExporterComponent

test('what components refuse is told all at once, at its place, and what was made is closed', async () => {
  const paths = written({
    'a.yaml': `receivers: { otlp: { protocols: { http: } } }
processors:
  picky/1: { when: good, purpose: usage }
  picky/2: { when: bad }
  picky/3: { when: good, purpose: usgae }
connectors: { residency: { policy: policy.yaml } }
exporters:
  sender/1: { header: host }
  sender/2: { header: x }
service:
  pipelines:
    logs/in: { receivers: [otlp], processors: [picky/1, picky/2, picky/3], exporters: [residency] }
    logs/eu: { receivers: [residency], exporters: [sender/1, sender/2] }
`,
    'policy.yaml':
      'regions: { eu: { jurisdiction: [EU], pipeline: logs/eu } }\npurposes: { usage: { retention: 1d } }\n',
  })
  const loaded = loadConfig([paths['a.yaml']!], { env: {}, registries: { processors: [picky], exporters: [sender] } })
  expect(told(loaded)).toEqual([])
  expect(told({ problems: await dryRun(loaded, loaded.config!) })).toEqual([
    'a.yaml:4:20 processors.picky/2.when: the condition is wrong; write good',
    'a.yaml:5:12 processors.picky/3: no purpose "usgae" in the residency policy; did you mean usage?',
    'a.yaml:8:23 exporters.sender/1.header: this header is not yours to set',
  ])
  expect(closed).toBe(1)
})

test('what components take from the gateway is there, keys of people too', async () => {
  const paths = written({
    'a.yaml': `receivers: { otlp: { protocols: { http: } } }
processors:
  encrypt: { fields: [log.body], subject: 'log.attributes["enduser.id"]', index: true }
  minimize: {}
exporters: { file: { path: out.jsonl } }
service:
  pipelines:
    logs: { receivers: [otlp], processors: [minimize, encrypt], exporters: [file] }
`,
  })
  const loaded = loadConfig([paths['a.yaml']!], { env: {}, registries: builtIn })
  expect(told(loaded)).toEqual([])
  expect(told({ problems: await dryRun(loaded, loaded.config!) })).toEqual([])
})
