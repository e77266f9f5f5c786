/**
 * A snapshot of a running gateway's heap, which holds every string and no contents of buffers: none of its keys is there,
 * in no notation that a file has it in, and none of what it sealed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { cleanUp, files, start, temporaryFolder, until } from '../e2e/gateway.ts'
import { bytes, record, request, send } from '../e2e/requests.ts'

afterAll(cleanUp)

const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
processors:
  minimize: {}
  tag_purpose: { default: [support] }
  encrypt: { fields: [log.body], subject: 'log.attributes["enduser.id"]', index: true }
connectors: { residency: { policy: residency.yaml } }
exporters: { file/de: { path: out.jsonl, region: eu-de } }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    logs/in: { receivers: [otlp], processors: [minimize, tag_purpose, encrypt], exporters: [residency] }
    logs/de: { receivers: [residency], exporters: [file/de] }
`
const policy = `
regions: { eu-de: { jurisdiction: [DE], pipeline: logs/de } }
purposes: { support: { retention: 1mo, content: encrypt } }
tenants: { acme: { residency: local, region: eu-de } }
default: { residency: reject }
`

/** Secret strings of the files of keys: roots in JSON, and the lines of PEM. */
function secretsIn(keys: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of readdirSync(keys)) {
    if (name.endsWith('.json')) {
      const text = readFileSync(join(keys, name), 'utf8')
      for (const [, field, value] of text.matchAll(/"(key|root|private)": *"([^"]{40,})"/g)) {
        found.set(`${name} ${field}`, value!)
      }
    }
    if (name.endsWith('.pem')) found.set(name, readFileSync(join(keys, name), 'utf8').split('\n')[1]!)
  }
  return found
}

test('of the keys and of what was sealed nothing stands in strings that live', { timeout: 120_000 }, async () => {
  const folder = temporaryFolder()
  const file = files(folder, { 'gateway.yaml': config, 'residency.yaml': policy })
  const env = { DOUANE_ALLOW_DUMPS: '1', NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${folder}` }
  const running = await start(file, join(folder, 'state'), { env })
  const canary = 'canary of words that nobody else may read'
  for (let i = 0; i < 20; i++) {
    const { status } = await send(running.endpoints.http, bytes(request('acme', [record(`${canary} ${i}`)])))
    expect(status).toBe(200)
  }
  process.kill(running.pid, 'SIGUSR2')
  const snapshot = await until(() => {
    const name = readdirSync(folder).find((each) => each.endsWith('.heapsnapshot'))
    const text = name && readFileSync(join(folder, name), 'latin1')
    return text?.trimEnd().endsWith('}') && text
  }, 60_000)
  const secrets = secretsIn(join(folder, 'state/keys'))
  expect([...secrets.keys()].sort()).toEqual([
    'authority.pem',
    'hash.json key',
    'index.json root',
    'local-kms.json private',
    'subjects.json root',
  ])
  // What does live there is found.
  expect(snapshot).toContain('douane.subject_ref')
  expect([...secrets].filter(([, secret]) => snapshot.includes(secret)).map(([name]) => name)).toEqual([])
  expect(snapshot).not.toContain(canary)
  await running.stop()
})
