/**
 * The residency route against the oracle, on the first 2,000 of 10,000 random policies; test/slow has the others.
 *
 * That it can fail was tried by breaking each routing rule in turn, 33 ways, one at a time; this test and fan_out.test.ts caught each:
 * - whose: default taken for the first tenant, strangers without their name, two tenants in one resource taken for the
 *   last, a credential that may not speak for the tenant ignored;
 * - whether: no purpose, an unknown purpose, `reject`, `quarantine` beside another purpose, a region without
 *   destination, the chain's verdicts, overrides by purpose;
 * - where: `local` as `split`, all purposes of a split tenant central, its home without them, its home being central,
 *   the first record's route used for all, purposes apart and merged swapped;
 * - what: content central for a split tenant, `central` without content, `keep`, `drop` and the tenant's own content
 *   rule ignored, allowed keys ignored, one purpose that allows all ignored, content at exporters beside the connector,
 *   copies with and without content mixed, `douane.tenant` left out;
 * - counts: every copy counted, none counted.
 */
import { test } from 'vitest'
import { check } from './residency_rig.ts'

test('2,000 random policies: the router does what the oracle says', async () => {
  for (let seed = 0; seed < 2_000; seed++) await check(seed)
})
