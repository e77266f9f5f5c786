/** `service.keys` of a gateway's configuration: which recipients are in force, and what is refused with which place. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { builtIn } from '../../config/built_in.ts'
import { loadConfig } from '../../config/load.ts'
import { formatProblem } from '../../config/problem.ts'
import { GatewayKeys } from '../../src/gateway_keys.ts'
import { exportBundle } from '../../src/keys/bundle.ts'
import { initKeys, makeAhead } from '../../src/keys/operations.ts'
import { locating } from '../../src/refusals.ts'
import { Health } from '../../src/telemetry/health.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { acme, decryptRows, freshFolder, keptLog, noonMs, text } from './support.ts'

const use = { tenant: 'acme', region: 'eu-de', retention: '1mo' }

function yaml(keys: string): string {
  return `exporters: { debug: {} }
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
service:
  keys: ${keys}
  pipelines: { logs: { receivers: [otlp], exporters: [debug] } }
`
}

/** A folder with a configuration; `load` reads it with another `service.keys`. */
function place() {
  const folder = freshFolder()
  const dir = join(folder, 'state/keys')
  mkdirSync(dir, { recursive: true })
  const load = (keys: string) => {
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, yaml(keys))
    return loadConfig([file], { env: {}, registries: builtIn })
  }
  const clock = { ms: noonMs }
  const options = { dir, nowMs: () => clock.ms, log: keptLog(), env: {} }
  const open = (keys: string) => {
    const loaded = load(keys)
    return locating(loaded, GatewayKeys.open(options, loaded.config!))
  }
  const prepare = (opened: GatewayKeys, keys: string) => {
    const loaded = load(keys)
    return locating(loaded, opened.prepare(loaded.config!))
  }
  const problems = (keys: string) => load(keys).problems.map((one) => formatProblem(one).replace(folder, ''))
  return { folder, dir, clock, open, prepare, problems }
}

/** A decrypt side whose bundle lies at `path`; gives the text of `service.keys`. */
async function bundleAt(path: string) {
  const dir = freshFolder()
  const { holder, trust } = await initKeys(dir, noonMs)
  await makeAhead(holder, use, 1, noonMs)
  const write = (lifeMs = 3_600_000) => {
    const times = { nowMs: noonMs, expiresMs: noonMs + lifeMs }
    writeFileSync(path, JSON.stringify(exportBundle(dir, holder.folder, holder.signer, times)))
  }
  write()
  return { dir, trust, write, keys: `{ bundle: { path: "${path}", trust: "${trust}" } }` }
}

const refusal = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (thrown: { problems: Parameters<typeof formatProblem>[0][] }) => thrown,
  )
  return error!.problems.map(formatProblem).join()
}

describe('service.keys.bundle', () => {
  test('is refused at the start where it is missing, unsigned, of another signer, expired or older', async () => {
    const { folder, open } = place()
    const path = join(folder, 'bundle.json')
    const { keys, write } = await bundleAt(path)
    const good = readFileSync(path, 'utf8')
    write(0)
    const expired = readFileSync(path, 'utf8')
    await bundleAt(path)
    const foreign = readFileSync(path, 'utf8')
    const told = async (content: string) => {
      writeFileSync(path, content)
      return refusal(open(keys.replace(path, 'bundle.json')))
    }
    const where = /gateway\.yaml:4:\d+ service\.keys\.bundle\.path: /
    const { signature: _, ...unsigned } = JSON.parse(good)
    expect(await told(JSON.stringify(unsigned))).toMatch(
      /not signed by the pinned signer.*take it from the decrypt side/,
    )
    expect(await told(foreign)).toMatch(/not signed by the pinned signer/)
    expect(await told(expired)).toMatch(/has expired.*douane keys export-bundle/)
    expect(await told('{')).toMatch(/damaged/)
    expect(await told(good.slice(0, -9))).toMatch(where)
    expect(await refusal(open(keys.replace('bundle.json', 'gone.json')))).toMatch(/ENOENT.*douane keys export-bundle/)
  })

  test('a reload may bring another bundle, another signer, or keys of its own; what it refuses changes nothing', async () => {
    const { folder, dir, clock, open, prepare } = place()
    const one = await bundleAt(join(folder, 'one.json'))
    const two = await bundleAt(join(folder, 'two.json'))
    const keys = await open(one.keys)
    const seal = (word: string) => keys.sealer.seal(text(word), acme, 'log.body')
    const rows = [{ body: seal('to the first') }]
    await expect(prepare(keys, one.keys.replace(one.trust, two.trust))).rejects.toThrow()
    rows.push({ body: seal('still to the first') })
    const adopt = await prepare(keys, two.keys)
    rows.push({ body: seal('not before it is adopted') })
    adopt()
    clock.ms += 1000
    const later = [{ body: seal('to the second') }]
    ;(await prepare(keys, '{}'))()
    clock.ms += 1000
    const own = [{ body: seal('to keys of its own') }]
    keys.close()
    const bodies = async (side: string, sealed: object[]) =>
      (await decryptRows(side, sealed, { gateways: [dir] })).rows.map(({ body }) => body)
    expect(await bodies(one.dir, rows)).toEqual(['to the first', 'still to the first', 'not before it is adopted'])
    expect(await bodies(two.dir, later)).toEqual(['to the second'])
    expect(await bodies(dir, own)).toEqual(['to keys of its own'])
  })

  test('that has expired shows in health and metrics, until there is a new one', async () => {
    const { folder, dir, clock, prepare, problems } = place()
    const { keys, write } = await bundleAt(join(folder, 'bundle.json'))
    expect(problems(keys)).toEqual([])
    const health = new Health(() => clock.ms)
    const metrics = new Metrics()
    const loaded = loadConfig([join(folder, 'gateway.yaml')], { env: {}, registries: builtIn })
    const shown = { metrics, health }
    const opened = await GatewayKeys.open(
      { dir, nowMs: () => clock.ms, log: keptLog(), env: {}, shown },
      loaded.config!,
    )
    expect(health.report().components).toEqual({})
    expect(await metrics.text()).toContain(`douane_keys_bundle_expires_seconds ${noonMs / 1000 + 3600}`)
    clock.ms += 3_600_000
    await opened.retentionRan('nothing', [])
    expect(health.report().components).toMatchObject({ keys: { status: 'failing' } })
    await expect(prepare(opened, keys)).rejects.toThrow()
    write(7_200_000)
    ;(await prepare(opened, keys))()
    expect(health.report().components).toEqual({})
    opened.close()
  })

  test('a gateway with a bundle makes no private key', async () => {
    const { folder, dir, open } = place()
    const keys = await open((await bundleAt(join(folder, 'bundle.json'))).keys)
    keys.sealer.seal(text('x'), acme, 'log.body')
    keys.close()
    expect(readdirSync(dir).filter((name) => /^(?:recipients|authority|local-kms)/.test(name))).toEqual([])
  })
})

describe('keys whose retention is over', () => {
  const dayMs = 86_400_000
  const whole = (keys: string) =>
    yaml(keys).replace('{ debug: {} }', '{ postgres/de: { url: embedded } }').replace('[debug]', '[postgres/de]')

  async function sealedForADay(keys: string) {
    const { folder, dir, clock } = place()
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, whole(keys))
    const loaded = loadConfig([file], { env: {}, registries: builtIn })
    const opened = await GatewayKeys.open({ dir, nowMs: () => clock.ms, log: keptLog(), env: {} }, loaded.config!)
    onTestFinished(() => opened.close())
    const row = { body: opened.sealer.seal(text('x'), { ...acme, retention: '1d' }, 'log.body') }
    /** A night: the store has run, and has these holds. */
    const night = async (holds: { tenant: string | null }[] = []) => {
      clock.ms += dayMs
      await opened.retentionRan('postgres/de', holds)
      return (await decryptRows(dir, [row])).counts
    }
    return { opened, night, clock }
  }

  test('go at night, after the store has run its retention; a legal hold keeps them', async () => {
    const { night } = await sealedForADay('{}')
    expect(await night()).toMatchObject({ opened: 1 })
    expect(await night()).toMatchObject({ opened: 1 })
    expect(await night([{ tenant: 'acme' }])).toMatchObject({ opened: 1 })
    expect(await night()).toMatchObject({ opened: 0, destroyed: 1 })
  })

  test('stay where the configuration says so', async () => {
    const { night } = await sealedForADay('{ destroy_expired: false }')
    for (let n = 0; n < 5; n++) expect(await night()).toMatchObject({ opened: 1 })
  })
})

test('docs/keys.md shows configurations that load', () => {
  const page = readFileSync(new URL('../../docs/keys.md', import.meta.url), 'utf8')
  const blocks = [...page.matchAll(/```yaml\n(service:\n[\s\S]*?)```/g)].map(([, block]) => block!)
  expect(blocks.length).toBeGreaterThan(1)
  for (const block of blocks) {
    const file = join(freshFolder(), 'gateway.yaml')
    const service = block.replace('ed25519:…', `ed25519:${'A'.repeat(43)}`)
    const rest = yaml('{}').replace(/service:\n {2}keys: \{\}\n/, service)
    writeFileSync(file, rest)
    expect(loadConfig([file], { env: {}, registries: builtIn }).problems).toEqual([])
  }
})

describe('what is written wrong', () => {
  test('is told with its place', () => {
    const { problems } = place()
    const one = (keys: string) => problems(keys).join('\n')
    expect(one('{ bundle: { path: b.json } }')).toMatch(/service\.keys\.bundle\.trust: is missing/)
    expect(one('{ bundle: { path: b.json, trust: ed25519:x } }')).toMatch(
      /is no signer: .* as `douane keys init` printed/,
    )
    expect(one('{ queue_key: { provider: main } }')).toMatch(/queue_key\.provider: names no provider; there are: local/)
    expect(one('{ queue_key: { rotate_every: 1h } }')).toMatch(/must be at least 1d/)
  })
})
