import { describe, expect, test } from 'vitest'
import { builtIn } from '../../config/built_in.ts'
import { loadConfig } from '../../config/load.ts'
import { told, written } from './registries.ts'

const policy = `
regions:
  eu-de: { jurisdiction: [DE, EU], pipeline: logs/de }
  eu-de2: { jurisdiction: [DE, EU], pipeline: logs/de2 }
  eu-nl: { jurisdiction: [NL, EU], pipeline: logs/nl }
purposes: { usage: { retention: 1mo } }
`
const config = (extension: string): string => `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
connectors: { residency: { policy: policy.yaml } }
exporters:
  postgres/de: { region: eu-de, database: de }
  postgres/de2: { region: eu-de2, database: de2 }
  postgres/nl: { region: eu-nl, database: nl }
extensions:
  ${extension}
service:
  extensions: [${extension.split(':')[0]}]
  pipelines:
    logs/in: { receivers: [otlp], exporters: [residency] }
    logs/de: { receivers: [residency], exporters: [postgres/de] }
    logs/de2: { receivers: [residency], exporters: [postgres/de2] }
    logs/nl: { receivers: [residency], exporters: [postgres/nl] }
`
function problems(extension: string): string[] {
  const paths = written({ 'gw.yaml': config(extension), 'policy.yaml': policy })
  return told(loadConfig([paths['gw.yaml']!], { env: {}, registries: builtIn }))
}
const s3 = (endpoint: string): string =>
  `s3: { endpoint: "${endpoint}", bucket: backups, access_key_id: a, secret_access_key: b }`

describe('backups', () => {
  test.each([
    ['in the region of their store', 'backup: { region: eu-de, path: b }'],
    [
      'in another one that lies in the same jurisdictions',
      'backup: { region: eu-de2, stores: [postgres/de], path: b }',
    ],
    ['in a bucket of that country', `backup: { region: eu-de, ${s3('https://s3.eu-central-1.amazonaws.com')} }`],
    ['in a bucket of whoever', `backup: { region: eu-nl, ${s3('https://storage.example.com')} }`],
  ])('%s are fine', (_where, extension) => {
    expect(problems(extension)).toEqual([])
  })
  test.each([
    [
      'another jurisdiction',
      'backup: { region: eu-nl, stores: [postgres/de], path: b }',
      /stores\[0\]: postgres\/de lies in region eu-de, and its backup would leave it for eu-nl, which does not lie in DE; keep it in region eu-de/,
    ],
    [
      'a region that nobody knows',
      'backup: { region: eu-dd, path: b }',
      /no region "eu-dd" is in the policy.*did you mean eu-de/,
    ],
    [
      'a store that nobody knows',
      'backup: { region: eu-de, stores: [postgres/dd], path: b }',
      /no postgres exporter "postgres\/dd" is defined/,
    ],
    [
      "a bucket of Amazon's in another country",
      `backup: { region: eu-de, ${s3('https://s3.us-east-1.amazonaws.com')} }`,
      /s3\.endpoint: this storage stands in US, and region eu-de is DE, EU/,
    ],
    ['nowhere', 'backup: { region: eu-de }', /needs either `path` or `s3`/],
    ['for ever', 'backup: { region: eu-de, path: b, keep: 7y }', /keep: is longer than 400d/],
    ['to a key that is none', 'backup: { region: eu-de, path: b, recipient: x25519:short }', /recipient: is not a key/],
  ])('%s is refused', (_what, extension, message) => {
    expect(problems(extension).join('\n')).toMatch(message)
  })
})

describe('what people asked for', () => {
  test('is written where its region is', () => {
    expect(problems('subject_requests: { places: { eu-de: { path: b } } }')).toEqual([])
    expect(problems('subject_requests: { places: { eu-dd: { path: b } } }').join()).toMatch(/no region "eu-dd"/)
    const abroad = `subject_requests: { places: { eu-nl: { ${s3('https://s3.eu-central-1.amazonaws.com')} } } }`
    expect(problems(abroad).join()).toMatch(/this storage stands in DE, and region eu-nl is NL, EU/)
  })
})
