/**
 * A gateway without a world: the chain and the routes of a configuration, with nothing that listens, stores or sends.
 *
 * For `validate` (does every component accept its options), `explain` and `replay`. Keys are fixed ones, so that the
 * same input gives the same bytes on every machine: what is sealed here is a stand-in of the right shape that nobody
 * can open, and hashes join nothing outside.
 */
import { createHmac } from 'node:crypto'
import { tmpdir } from 'node:os'
import type { GatewayConfig } from '../config/gateway_config.ts'
import type { HashKeys, Log, Sealer, Subjects } from './contract.ts'
import { buildGeneration, type Generation } from './generation.ts'
import { KeyTable } from './otlp/keys.ts'
import { Account } from './pipeline/account.ts'
import type { Target } from './pipeline/offers.ts'
import type { Parcel } from './pipeline/parcel.ts'
import { Metrics } from './telemetry/metrics.ts'

/** What arrived somewhere: a copy of the bytes. */
export type Capture = (destination: string, parcel: Parcel) => void

export interface Offline {
  readonly generation: Generation
  readonly account: Account
}

/** Where records that no destination may have are shown to go. */
export const QUARANTINE = 'quarantine'

/** Builds a configuration offline. Throws `ConfigError` like the gateway would. `nowMs` is the time that it sees. */
export function buildOffline(config: GatewayConfig, capture: Capture, nowMs: () => number): Offline {
  const account = new Account()
  const deliver = account.delivery()
  const target = (id: string): Target => ({
    id,
    offer: async (parcel) => {
      capture(id, parcel)
      deliver.enqueued(parcel.tenants)
      deliver.stored(parcel.tenants, parcel.records)
    },
  })
  const quarantine: Target = {
    id: QUARANTINE,
    offer: async (parcel) => capture(QUARANTINE, parcel),
  }
  const generation = buildGeneration(
    config,
    {
      dataDir: tmpdir(),
      log: silent,
      metrics: new Metrics(),
      keys: new KeyTable(),
      account,
      sealer: standIn,
      subjects: standIn,
      hashKeys: fixedHashKeys,
      quarantine,
      nowMs,
    },
    target,
  )
  return { generation, account }
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

const fixedKey = Buffer.alloc(32, 'douane offline')

/** Of a token's shape and about its length; depends on nothing but the value, where it stands and whose it is. */
const standIn: Sealer & Subjects = {
  ready() {},
  index: (value, tenant, field) =>
    createHmac('sha256', fixedKey)
      .update(`index ${tenant.length}:${tenant}${field}`)
      .update(value)
      .digest('hex')
      .slice(0, 24),
  of: (tenant, id) => ({
    state: 'live',
    ref: createHmac('sha256', fixedKey).update(`ref ${tenant.length}:${tenant}${id}`).digest('base64url').slice(0, 22),
  }),
  seal(value, context, field) {
    const mac = createHmac('sha256', fixedKey)
    for (const part of [context.tenant, context.region, context.purpose, field]) mac.update(`${part.length}:${part}`)
    return `cose:${Buffer.concat([Buffer.from('offline'), mac.update(value).digest(), Buffer.alloc(value.length)]).toString('base64url')}`
  },
}

const fixedHashKeys: HashKeys = { current: () => ({ id: '00000000', key: fixedKey }) }
