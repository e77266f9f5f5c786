/** Keys go when the retention of what they sealed is over: nightly, spared on legal hold, never by a clock that jumps. */
import { describe, expect, test } from 'vitest'
import { KeyExpiry } from '../../src/key_expiry.ts'
import { verifyAccessLog } from '../../src/keys/audit.ts'
import { destroyExpired, type ExpiryOptions } from '../../src/keys/expiry.ts'
import { initKeys, listKeys, makeAhead } from '../../src/keys/operations.ts'
import { isSignedBy } from '../../src/keys/signature.ts'
import { limits } from '../../src/limits.ts'
import { acme, decryptRows, freshFolder, keptLog, noonMs, testSealer, text } from './support.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000
/** A record of Saturday is kept until Friday, the 27th; its key until the day after, and the time zones' slack. */
const saturdayKeyEndsMs = Date.UTC(2026, 10, 28) + limits.keyExpirySlackMs
const sixDays = { ...acme, retention: '6d' }

async function sealedOnSaturday(tenants = ['acme']) {
  const dir = freshFolder()
  const { holder } = await initKeys(dir, noonMs)
  const { sealer } = await testSealer(dir)
  const rows = tenants.map((tenant) => ({
    tenant,
    body: sealer.seal(text(`of ${tenant}`), { ...sixDays, tenant }, 'log.body'),
  }))
  const run = (nowMs: number, more: Partial<ExpiryOptions> = {}) =>
    destroyExpired({ dir, nowMs, reason: 'retention is over', ...more })
  const readable = async () => {
    const opened = await decryptRows(dir, rows)
    return opened.rows.map(({ body }) => String(body)).filter((body) => body.startsWith('of '))
  }
  const alive = (nowMs: number) => listKeys(holder, nowMs).filter(({ state }) => state !== 'destroyed').length
  return { dir, holder, run, readable, alive }
}

/** Every night from the one after noon on. */
async function nightly(run: (nowMs: number) => Promise<unknown>, untilMs: number): Promise<void> {
  for (let ms = Math.ceil(noonMs / dayMs) * dayMs + hourMs; ms < untilMs; ms += dayMs) await run(ms)
}

describe('destroying what is expired', () => {
  test('destroys not a moment early and not a night late, with a receipt and an entry in the access log', async () => {
    const { dir, holder, run, readable } = await sealedOnSaturday()
    await nightly(run, saturdayKeyEndsMs)
    expect((await run(saturdayKeyEndsMs - 1)).destroyed).toEqual([])
    expect(await readable()).toEqual(['of acme'])
    const { destroyed, heldBack } = await run(saturdayKeyEndsMs)
    expect(destroyed).toMatchObject([{ tenant: 'acme', period: '2026-11-21', reason: 'retention is over' }])
    expect(isSignedBy(destroyed[0]!, holder.signer.publicKey)).toBe(true)
    expect(heldBack).toBe(false)
    expect(await readable()).toEqual([])
    expect((await run(saturdayKeyEndsMs + 1)).destroyed).toEqual([])
    // One reading and one destruction: a value that stays sealed is no reading.
    expect(await verifyAccessLog(dir)).toMatchObject({ ok: true, entries: 2 })
  })

  test('spares tenants on legal hold until the hold ends', async () => {
    const { run, readable } = await sealedOnSaturday(['acme', 'globex'])
    await nightly(run, saturdayKeyEndsMs)
    const held = await run(saturdayKeyEndsMs, { isHeld: (tenant) => tenant === 'globex' })
    expect(held).toMatchObject({ destroyed: [{ tenant: 'acme' }], held: [{ tenant: 'globex' }] })
    expect(await readable()).toEqual(['of globex'])
    expect((await run(saturdayKeyEndsMs + dayMs)).destroyed).toMatchObject([{ tenant: 'globex' }])
  })

  test('a clock that jumps ahead destroys nothing early; somebody may say that it is right', async () => {
    const { run, readable } = await sealedOnSaturday()
    await run(noonMs)
    const jumped = noonMs + 400 * dayMs
    expect(await run(jumped)).toMatchObject({ destroyed: [], heldBack: true, asOfMs: noonMs + dayMs })
    expect(await readable()).toEqual(['of acme'])
    expect(await run(jumped, { confirmed: true })).toMatchObject({ destroyed: [{ tenant: 'acme' }], heldBack: false })
    expect(await run(jumped + dayMs)).toMatchObject({ heldBack: false })
  })

  test('keys ahead and keys without a retention are never expired; no provider is asked', async () => {
    const { holder, run, alive } = await sealedOnSaturday([])
    await makeAhead(holder, { tenant: 'acme', region: 'eu-de', retention: '' }, 1, noonMs)
    await makeAhead(holder, { tenant: 'acme', region: 'eu-de', retention: '6d' }, 3, noonMs + 100 * dayMs)
    expect((await run(noonMs + 50 * dayMs, { confirmed: true })).destroyed).toEqual([])
    expect(alive(noonMs)).toBe(4)
  })

  test('where there are no keys it says so', async () => {
    await expect(destroyExpired({ dir: freshFolder(), nowMs: noonMs, reason: 'r' })).rejects.toMatchObject({
      fix: expect.stringContaining('--data-dir'),
    })
  })
})

describe('every night', () => {
  async function gatewayAt(nowMs: number, tenants = ['acme', 'globex']) {
    const sealed = await sealedOnSaturday(tenants)
    await sealed.run(noonMs)
    await nightly(sealed.run, nowMs - hourMs)
    const clock = { ms: nowMs }
    const log = keptLog()
    return { ...sealed, clock, log, expiry: new KeyExpiry({ dir: sealed.dir, nowMs: () => clock.ms, log }) }
  }

  test('keys go once a day, when every store has run its retention for that day', async () => {
    const { expiry, clock, log, readable } = await gatewayAt(saturdayKeyEndsMs + 2 * hourMs)
    const stores = ['postgres/de', 'postgres/nl']
    expiry.storeRan('postgres/de', [])
    await expiry.look(stores)
    expect(await readable()).toEqual(['of acme', 'of globex'])
    expiry.storeRan('postgres/nl', [{ tenant: 'globex' }])
    await expiry.look(stores)
    expect(await readable()).toEqual(['of globex'])
    expect(log.lines).toEqual(['keys.destroyed {"keys":1}', 'keys.on_hold {"keys":1}'])
    await expiry.look(stores)
    clock.ms += dayMs
    await expiry.look(stores)
    expect(log.lines).toHaveLength(2)
    for (const store of stores) expiry.storeRan(store, [])
    await expiry.look(stores)
    expect(await readable()).toEqual([])
  })

  test('a hold on all tenants keeps all keys', async () => {
    const { expiry, readable } = await gatewayAt(saturdayKeyEndsMs)
    expiry.storeRan('postgres/de', [{ tenant: null }])
    await expiry.look(['postgres/de'])
    expect(await readable()).toHaveLength(2)
  })

  test('a clock that jumped is told with what to do', async () => {
    const { expiry, clock, log, readable } = await gatewayAt(Date.UTC(2026, 10, 23, 3))
    clock.ms += 30 * dayMs
    await expiry.look([])
    expect(await readable()).toHaveLength(2)
    expect(log.lines).toEqual([expect.stringMatching(/^keys\.expiry_held_back .*douane keys destroy --expired/)])
  })
})
