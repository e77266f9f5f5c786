/**
 * What the gateway set aside: records in quarantine, and batches that a destination refused for good. Both are listed
 * by counts and reasons, never by what is in them.
 */
import type { FastifyInstance } from 'fastify'
import { DouaneError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { Destination } from '../pipeline/destination.ts'
import type { Incoming } from '../pipeline/inbound.ts'
import type { TenantCounts } from '../pipeline/parcel.ts'
import type { Released } from '../pipeline/quarantine.ts'

/** One dead letter as the API shows it. */
export interface ShownDeadLetter {
  readonly destination: string
  readonly id: string
  readonly reason: string
  readonly records: number
  readonly bytes: number
  readonly tenants: Readonly<Record<string, number>>
  readonly policy_version: string
  readonly queued: string
  readonly dead: string
}

export function setAsideRoutes(app: FastifyInstance, gateway: Gateway): void {
  const { quarantine } = gateway
  app.get('/v1/quarantine', () => {
    const { records, bytes, oldestMs, tenants } = quarantine.state()
    return { records, bytes, oldest: oldestMs === undefined ? null : iso(oldestMs), tenants: byName(tenants) }
  })
  app.post('/v1/quarantine/release', () => release(gateway))
  app.post('/v1/quarantine/purge', async () => ({ purged: await quarantine.purge() }))

  app.get<{ Querystring: { destination?: string } }>('/v1/dead-letters', async ({ query }) => {
    const lists = await Promise.all(chosen(gateway, query.destination).map(shown))
    return { dead_letters: lists.flat() }
  })
  app.get<{ Params: { id: string } }>('/v1/dead-letters/:id', async ({ params }, reply) => {
    const lists = await Promise.all(chosen(gateway, undefined).map(shown))
    const found = lists.flat().filter(({ id }) => id === params.id)
    if (found.length === 0) return reply.code(404).send({ error: 'there is no dead letter with this id' })
    return { dead_letters: found }
  })
  app.post<{ Body: Which | null }>('/v1/dead-letters/retry', async ({ body }) => ({
    batches: await each(gateway, body, (destination, ids) => destination.retryDeadLetters(ids)),
  }))
  app.post<{ Body: Which | null }>('/v1/dead-letters/purge', async ({ body }) => ({
    batches: await each(gateway, body, (destination, ids) => destination.deadLetters.purge(ids)),
  }))
}

/** Which dead letters: of one destination or all, these or all. */
interface Which {
  readonly destination?: string
  readonly ids?: readonly string[]
}

/**
 * Everything in quarantine through the chain again, as if it came in now from whoever sent it then. Each record follows
 * today's policy: it is copied, refused, or quarantined anew. What cannot be taken now stays, and the error says why.
 */
async function release(gateway: Gateway): Promise<{ released: number; rejected: number; quarantined: number }> {
  let rejected = 0
  const before = gateway.account.total()
  const released = await gateway.quarantine.release(async (parcel) => {
    const { answer, rejected: refused, records } = await gateway.readmit(incomingOf(parcel), parcel.group)
    const isTaken = answer.is === 'ok' || answer.is === 'partial' || (answer.is === 'bad' && refused === records)
    if (!isTaken) throw new DouaneError('queue', `released until here: ${answer.message}`)
    rejected += refused
    gateway.account.quarantineReleased(parcel.tenants)
  })
  const after = gateway.account.total()
  return { released, rejected, quarantined: Math.max(0, after.quarantined - before.quarantined + released) }
}

function incomingOf({ body, tenants, quarantinedMs }: Released): Incoming {
  const names = tenants.map(([name]) => name)
  // A credential named the tenants then, or attributes that were trusted; records of nobody came without a credential.
  const sender = names.includes('') ? {} : { tenants: names }
  const agoNano = BigInt(Math.max(0, Date.now() - quarantinedMs)) * 1_000_000n
  return {
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    sender,
    headers: {},
    receivedUnixNano: BigInt(quarantinedMs) * 1_000_000n,
    receivedMonotonicNano: process.hrtime.bigint() - agoNano,
  }
}

function chosen({ destinations }: Gateway, id: string | undefined): [id: string, destination: Destination][] {
  const all = destinations.states().map(([name]) => [name, destinations.destination(name)!] as [string, Destination])
  const found = id === undefined ? all : all.filter(([name]) => name === id)
  if (found.length === 0 && id !== undefined) {
    throw new DouaneError(
      'config',
      `there is no destination ${id}`,
      `Name one of ${all.map(([name]) => name).join(', ')}.`,
    )
  }
  return found
}

async function each(
  gateway: Gateway,
  which: Which | null,
  work: (destination: Destination, ids: readonly string[] | undefined) => Promise<number>,
): Promise<number> {
  let batches = 0
  for (const [, destination] of chosen(gateway, which?.destination)) batches += await work(destination, which?.ids)
  return batches
}

async function shown([id, { deadLetters }]: [string, Destination]): Promise<ShownDeadLetter[]> {
  return (await deadLetters.list()).map((letter) => ({
    destination: id,
    id: letter.id,
    reason: letter.reason,
    records: letter.records,
    bytes: letter.bytes,
    tenants: byName(letter.tenants),
    policy_version: letter.policyVersion,
    queued: iso(letter.queuedMs),
    dead: iso(letter.deadMs),
  }))
}

const iso = (ms: number): string => new Date(ms).toISOString()

function byName(tenants: TenantCounts): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [name, records] of tenants) sums[name] = (sums[name] ?? 0) + records
  return sums
}
