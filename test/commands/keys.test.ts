/** `douane keys …` as somebody types it: a keys folder from its making to the end of a key, in the custody of a program. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { jsonHere, runHere } from '../e2e/here.ts'
import { freshFolder } from '../keys/support.ts'

/** Stands for a cloud's command line: reverses bits; `away` beside it makes it fail. */
function cloud(folder: string): string {
  const script = join(folder, 'cloud.mjs')
  writeFileSync(
    script,
    `import { existsSync, readFileSync, writeSync } from 'node:fs'
if (existsSync(${JSON.stringify(join(folder, 'away'))})) process.exit(7)
writeSync(1, readFileSync(0).map((byte) => byte ^ 255))`,
  )
  return JSON.stringify([process.execPath, script])
}

function place() {
  const folder = freshFolder()
  const command = cloud(folder)
  const providers = join(folder, 'providers.yaml')
  const provider = `{ type: command, wrap: ${command}, unwrap: ${command} }`
  const write = (wrapWith: string) => {
    writeFileSync(providers, `wrap_with: ${wrapWith}\nproviders: { cloud: ${provider} }\n`)
  }
  write('cloud')
  const dataDir = join(folder, 'state')
  const keys = (...words: string[]) => ['keys', ...words, '--data-dir', dataDir]
  return { folder, dataDir, providers, provider, write, keys, away: join(folder, 'away') }
}
const use = ['--tenant', 'acme', '--region', 'eu-de', '--retention', '1mo']

describe('keys in the custody of a provider', () => {
  test('are made, listed, moved, bundled, destroyed', async () => {
    const { folder, dataDir, providers, write, keys } = place()
    const [made] = await jsonHere(keys('init', '--providers', providers, ...use, '--periods', '2'))
    expect(made).toMatchObject({ trust: expect.stringMatching(/^ed25519:/), made: { length: 2 } })
    expect(readFileSync(join(dataDir, 'keys/providers.yaml'), 'utf8')).toBe(readFileSync(providers, 'utf8'))
    expect(readdirSync(join(dataDir, 'keys'))).not.toContain('local-kms.json')
    expect(await jsonHere(keys('providers'))).toMatchObject([{ provider: 'cloud', ok: true, wraps_new_keys: true }])

    write('local')
    await jsonHere(keys('init', '--providers', providers))
    expect(await jsonHere(keys('rewrap'))).toEqual([{ provider: 'local', rewrapped: made!['made'] }])
    expect(await jsonHere(keys('rewrap'))).toEqual([{ provider: 'local', rewrapped: [] }])

    const bundle = join(folder, 'bundle.json')
    expect((await runHere(keys('export-bundle', '--out', bundle))).code).toBe(0)
    expect(await jsonHere(['keys', 'verify-bundle', bundle, '--trust', String(made!['trust'])])).toMatchObject([
      { version: 1, keys: 2 },
    ])
    const [first] = made!['made'] as string[]
    const destroyed = await jsonHere(keys('destroy', '--id', first!, '--reason', 'by mistake made', '--yes'))
    expect(destroyed).toMatchObject([{ format: 'douane-destroyed/1', id: first }])
    const states = (await jsonHere(keys('list', '--format', 'json'))).map(({ state }) => state)
    expect(states.toSorted()).toEqual(['ahead', 'destroyed'])
    expect(await jsonHere(keys('destroy', '--expired', '--reason', 'nightly', '--yes'))).toEqual([])
    expect(await jsonHere(keys('audit', 'verify'))).toMatchObject([{ ok: true, entries: 1 }])
  })

  test('that is away: each verb says so and ends with 3, and what is there stays', async () => {
    const { providers, keys, away } = place()
    await jsonHere(keys('init', '--providers', providers, ...use, '--periods', '1'))
    writeFileSync(away, '')
    const tried = await runHere(keys('providers'))
    expect(tried.code).toBe(3)
    expect(JSON.parse(tried.stdout)).toMatchObject({
      provider: 'cloud',
      ok: false,
      cause: expect.stringContaining('7'),
    })
    const rotated = await runHere(keys('rotate', ...use))
    expect([rotated.code, rotated.stdout]).toEqual([3, ''])
    expect(rotated.stderr).toMatch(/the command of the key provider cloud ended with 7/)
    expect(await jsonHere(keys('list', '--format', 'json'))).toHaveLength(1)
  })

  test('a wrong providers.yaml is told with its place, and the one before stays', async () => {
    const { dataDir, providers, keys } = place()
    await jsonHere(keys('init', '--providers', providers))
    const before = readFileSync(join(dataDir, 'keys/providers.yaml'), 'utf8')
    writeFileSync(providers, 'wrap_with: clod\n')
    const { code, stderr } = await runHere(keys('init', '--providers', providers))
    expect(code).toBe(1)
    expect(stderr).toMatch(/providers\.yaml:1:12 wrap_with: names no provider; there are: local/)
    expect(readFileSync(join(dataDir, 'keys/providers.yaml'), 'utf8')).toBe(before)
  })
})

describe('the key of queue files', () => {
  test('is rotated: in the clear, and by the provider that the configuration names', async () => {
    const { folder, dataDir, provider, keys } = place()
    mkdirSync(join(dataDir, 'keys'), { recursive: true })
    const [clear] = await jsonHere(keys('rotate', '--queue'))
    expect(readdirSync(join(dataDir, 'keys/chunk-keys'))).toEqual([`${clear!['id']}.json`])
    expect(existsSync(join(dataDir, 'keys/chunks.key'))).toBe(true)
    const config = join(folder, 'gateway.yaml')
    writeFileSync(
      config,
      `exporters: { debug: }
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
service:
  keys: { providers: { cloud: ${provider} }, queue_key: { provider: cloud } }
  pipelines: { logs: { receivers: [otlp], exporters: [debug] } }
`,
    )
    const [wrapped] = await jsonHere([...keys('rotate', '--queue'), '--config', config])
    const document = JSON.parse(readFileSync(join(dataDir, `keys/chunk-keys/${wrapped!['id']}.json`), 'utf8'))
    expect(document).toMatchObject({ provider: 'cloud' })
    const without = await runHere(keys('rotate', '--queue'))
    expect(without.code).toBe(3)
    expect(without.stderr).toMatch(/guarded by the provider cloud, which is not configured.*--config/s)
  })
})
