/** A decrypt side and gateways with its bundle, as processes of their own. */
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { type Ended, files, type Gateway, start, temporaryFolder, until } from './gateway.ts'
import { runHere } from './here.ts'
import { bytes, record, request, send } from './requests.ts'

export const use = ['--tenant', 'acme', '--region', 'eu-de', '--retention', '1mo']
export const environment = { DOUANE_KEYS_PASSPHRASE: 'correct horse battery staple' }

export const config = (bundle: string, trust: string): string => `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } }, tenant: { from: ['resource.attributes["tenant.id"]'] } } }
processors:
  tag_purpose: { rules: [], default: [support] }
  encrypt: { fields: [log.body] }
connectors: { residency: { policy: residency.yaml } }
exporters: { file/de: { path: out.jsonl, region: eu-de } }
extensions: { admin: { endpoint: 127.0.0.1:0 } }
service:
  extensions: [admin]
  telemetry: { metrics: { level: none } }
  keys: { bundle: { path: ${bundle}, trust: "${trust}" } }
  pipelines:
    logs/in: { receivers: [otlp], processors: [tag_purpose, encrypt], exporters: [residency] }
    logs/de: { receivers: [residency], exporters: [file/de] }
`
export const policy = `
regions: { eu-de: { jurisdiction: [DE], pipeline: logs/de } }
purposes: { support: { description: support, retention: 1mo, content: encrypt } }
tenants: { acme: { residency: local, region: eu-de } }
default: { residency: reject }
`

export interface Side {
  readonly dir: string
  readonly trust: string
  readonly bundle: string
}

/** Keys of a decrypt side, and its bundle. */
export async function decryptSide(): Promise<Side> {
  const dir = temporaryFolder()
  const made = await runHere(['keys', 'init', ...use, '--periods', '2', '--data-dir', dir], environment)
  const { trust } = JSON.parse(made.stdout)
  const bundle = join(temporaryFolder(), 'bundle.json')
  await exported(dir, bundle)
  return { dir, trust, bundle }
}

/** Replaces the bundle as an administrator would: whole, by a rename. */
export async function exported(dir: string, bundle: string): Promise<void> {
  const { code } = await runHere(['keys', 'export-bundle', '--out', `${bundle}.new`, '--data-dir', dir], environment)
  if (code !== 0) throw new Error(`the bundle was not exported: ${code}`)
  renameSync(`${bundle}.new`, bundle)
}

export async function gatewayOf(side: Side): Promise<{ running: Gateway; folder: string; out: string; keys: string }> {
  const folder = temporaryFolder()
  const file = files(folder, { 'gateway.yaml': config(side.bundle, side.trust), 'residency.yaml': policy })
  const running = await start(file, join(folder, 'state'))
  return { running, folder, out: join(folder, 'out.jsonl'), keys: join(folder, 'state/keys') }
}

export const tell = (at: Gateway, body: string) => send(at.endpoints.http, bytes(request('acme', [record(body)])))
export const written = (out: string): Promise<string> => until(() => existsSync(out) && readFileSync(out, 'utf8'))

export async function decrypted(
  side: Side,
  text: string,
  gateways: readonly string[],
  env = environment,
): Promise<Ended> {
  const file = files(temporaryFolder(), { 'rows.jsonl': text })
  const stores = gateways.flatMap((keys) => ['--gateway-keys', keys])
  return runHere(['decrypt', file, '--reason', 'ticket 4711', '--data-dir', side.dir, ...stores], env)
}
