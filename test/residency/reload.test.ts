/** Policies that change while records come and wait: swapped at once, followed whole, and by what is queued if asked. */
import { afterEach, describe, expect, test } from 'vitest'
import { attribute, cleanUp, config, policy, startGateway, startStore, until } from './rig.ts'

afterEach(cleanUp)

const stores = async () => [await startStore(), await startStore()] as const
const names = (records: readonly { eventName?: string }[]) => records.map(({ eventName }) => eventName)

describe('under load', () => {
  test('no request is lost, and none is handled by half of each policy', async () => {
    const [home, central] = await stores()
    const before = policy('  acme: { residency: local, region: eu-de }')
    const after = policy('  acme: { residency: central }')
    const one = await startGateway({ 'config.yaml': config(home.url, central.url), 'residency.yaml': before })
    let isDone = false
    let sent = 0
    const load = Array.from({ length: 8 }, async (_, sender) => {
      while (!isDone) {
        const events = ['a', 'b', 'c', 'd'].map((part) => `auth.${sender}-${sent}-${part}`)
        sent++
        expect(await one.send('acme', events)).toBe(200)
      }
    })
    for (let round = 0; round < 10; round++) {
      one.write('residency.yaml', round % 2 === 0 ? after : before)
      await one.gateway.reload()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    isDone = true
    await Promise.all(load)
    await until(() => one.gateway.status().total.in_flight === 0)
    const [there, elsewhere] = [new Set(names(home.records())), new Set(names(central.records()))]
    expect(there.size).toBeGreaterThan(0)
    expect(elsewhere.size).toBeGreaterThan(0)
    expect(there.size + elsewhere.size).toBe(sent * 4)
    expect(one.gateway.status().total).toMatchObject({ received: sent * 4, stored: sent * 4 })
    for (const name of there) {
      const request = String(name).slice(0, -1)
      for (const part of ['a', 'b', 'c', 'd']) expect(there.has(request + part)).toBe(true)
    }
  })

  test('a refused policy changes nothing', async () => {
    const [home, central] = await stores()
    const good = policy('  acme: { residency: local, region: eu-de }')
    const one = await startGateway({ 'config.yaml': config(home.url, central.url), 'residency.yaml': good })
    const { policy_version } = one.gateway.status()
    for (const bad of ['  acme: { residency: local, region: mars }', '  acme: { residency: local }', '  acme: [']) {
      one.write('residency.yaml', policy(bad))
      await expect(one.gateway.reload()).rejects.toThrow(/residency\.yaml:\d+:\d+/)
      expect(await one.send('acme', ['auth.x'])).toBe(200)
    }
    await until(() => home.records().length === 3)
    expect(one.gateway.status().policy_version).toBe(policy_version)
  })

  test('10,000 tenants: requests pause for less than 50 ms', async () => {
    const [home, central] = await stores()
    const tenants = (version: number) =>
      Array.from(
        { length: 10_000 },
        (_, i) => `  t${i}: { residency: local, region: eu-de, jurisdictions: [EU, X${version}] }`,
      )
    const big = (version: number) => policy(tenants(version).join('\n'))
    const one = await startGateway({ 'config.yaml': config(home.url, central.url), 'residency.yaml': big(0) })
    await one.send('t1', ['auth.warm'])
    // The longest that this thread worked without looking at anything else, in its own time: what the machine does for
    // others meanwhile is no pause of ours.
    const workedMs = () => {
      const { user, system } = process.threadCpuUsage()
      return (user + system) / 1000
    }
    const longest = async (during: () => Promise<unknown>): Promise<number> => {
      let last = workedMs()
      let pause = 0
      const timer = setInterval(() => {
        const now = workedMs()
        pause = Math.max(pause, now - last)
        last = now
      }, 1)
      await during()
      clearInterval(timer)
      return pause
    }
    const pauses: number[] = []
    for (let version = 1; version <= 5; version++) {
      one.write('residency.yaml', big(version))
      pauses.push(await longest(() => one.gateway.reload()))
    }
    // The first times are slower: code that is not compiled yet.
    expect(Math.min(...pauses)).toBeLessThan(50)
    expect(await one.send('t9999', ['auth.after'])).toBe(200)
  })
})

describe('strict_reroute', () => {
  const split = `
  acme: { residency: central }
  globex: { residency: central }`
  const tightened = policy(`
  acme: { residency: local, region: eu-de }
  globex: { residency: central }`)

  async function waiting(connector: string) {
    const [home, central] = await stores()
    central.status = 503
    const files = { 'config.yaml': config(home.url, central.url, '', connector), 'residency.yaml': policy(split) }
    const one = await startGateway(files)
    await one.send('acme', ['auth.acme'])
    await one.send('globex', ['auth.globex'])
    one.write('residency.yaml', tightened)
    await one.gateway.reload()
    return { one, central }
  }

  test('what a tightened policy forbids does not go; neighbours in the same queue do', async () => {
    const { one, central } = await waiting(', strict_reroute: true')
    await until(() => one.gateway.status().total.dead_lettered === 1)
    central.status = 200
    await until(() => central.records().length === 1)
    expect(names(central.records())).toEqual(['auth.globex'])
    const { answer } = await one.ask('/v1/dead-letters')
    expect(answer).toMatchObject({
      dead_letters: [{ tenants: { acme: 1 }, reason: expect.stringContaining('policy') }],
    })
    // Sending it again by hand is judged by the same policy.
    await one.ask('/v1/dead-letters/retry', {})
    await until(() => one.gateway.status().total.dead_lettered === 1)
    expect(names(central.records())).toEqual(['auth.globex'])
  })

  test('also where the policy was tightened while the gateway was down', async () => {
    const [home, central] = await stores()
    central.status = 503
    const files = {
      'config.yaml': config(home.url, central.url, '', ', strict_reroute: true'),
      'residency.yaml': policy(split),
    }
    const first = await startGateway(files)
    await first.send('acme', ['auth.acme'])
    await first.send('globex', ['auth.globex'])
    await first.stop()
    central.status = 200
    const again = await startGateway({ ...files, 'residency.yaml': tightened }, first.folder)
    await until(() => again.gateway.status().total.dead_lettered === 1 && central.records().length === 1)
    expect(names(central.records())).toEqual(['auth.globex'])
  })

  test('content that may not be there any more holds a batch back', async () => {
    const [home, central] = await stores()
    home.status = 503
    const lax = policy('  acme: { residency: local, region: eu-de }')
    const files = { 'config.yaml': config(home.url, central.url, '', ', strict_reroute: true'), 'residency.yaml': lax }
    const one = await startGateway(files)
    await one.send('acme', ['auth.sealed'])
    await one.send('acme', ['export.bare'])
    one.write(
      'residency.yaml',
      policy('  acme: { residency: local, region: eu-de, purposes: { security: { content: drop } } }'),
    )
    await one.gateway.reload()
    // What was under way when the policy changed may still arrive: the destination answers 503 until it was judged again.
    await until(() => one.gateway.status().total.dead_lettered === 1)
    home.status = 200
    await until(() => one.gateway.status().total.in_flight === 0)
    expect(names(home.records())).toEqual(['export.bare'])
  })

  test('attributes that are not allowed any more hold a batch back', async () => {
    const [home, central] = await stores()
    home.status = 503
    const tenants = '  acme: { residency: local, region: eu-de }'
    const files = {
      'config.yaml': config(home.url, central.url, '', ', strict_reroute: true'),
      'residency.yaml': policy(tenants),
    }
    const one = await startGateway(files)
    await one.send('acme', ['auth.login'])
    await one.send('acme', ['export.docx'])
    one.write('residency.yaml', policy(tenants).replace(/(security: \{[^}]*?) \}/, '$1, allowed_keys: ["http.*"] }'))
    await one.gateway.reload()
    // What was under way when the policy changed may still arrive: the destination answers 503 until it was judged again.
    await until(() => one.gateway.status().total.dead_lettered === 1)
    home.status = 200
    await until(() => one.gateway.status().total.in_flight === 0)
    expect(names(home.records())).toEqual(['export.docx'])
  })

  test('left out, what was queued goes where it was routed to', async () => {
    const { central } = await waiting('')
    central.status = 200
    await until(() => central.records().length === 2)
  })
})

describe('failover', () => {
  test('goes to the next region while the first cannot be reached, and comes back', async () => {
    const [home, central] = await stores()
    home.status = 503
    const tenants = `
  acme: { residency: local, regions: [eu-de, eu-nl], jurisdictions: [EU] }
  initech: { residency: local, region: eu-de }`
    const files = {
      'config.yaml': config(home.url, central.url, '', ', failover_after: 100ms'),
      'residency.yaml': policy(tenants),
    }
    const one = await startGateway(files)
    await one.send('acme', ['auth.1'])
    await until(async () => {
      await one.send('acme', ['auth.2'])
      return central.records().length > 0
    })
    expect(attribute(central.records()[0]!, 'douane.region')).toBe('eu-nl')
    // Who has one region waits for it.
    await one.send('initech', ['auth.3'])
    home.status = 200
    // A region that comes back is tried with what is newest: what failed before follows.
    await until(() => ['auth.1', 'auth.3'].every((name) => names(home.records()).includes(name)))
    await until(async () => {
      const before = home.records().length
      await one.send('acme', ['auth.4'])
      await new Promise((resolve) => setTimeout(resolve, 100))
      return home.records().length > before
    })
    expect(names(central.records())).not.toContain('auth.3')
  })
})
