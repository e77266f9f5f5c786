/**
 * What the gateway set aside: records in quarantine, and batches that a destination refused for good. Both are listed
 * by counts and reasons; of a dead letter its shape can be seen, never what it says.
 */
import type { FastifyInstance } from 'fastify'
import { DouaneError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { limits } from '../limits.ts'
import type { DeadLetter } from '../pipeline/dead_letters.ts'
import type { Destination } from '../pipeline/destination.ts'
import type { Incoming } from '../pipeline/inbound.ts'
import type { TenantCounts } from '../pipeline/parcel.ts'
import type { Released } from '../pipeline/quarantine.ts'
import { type Outline, outlineOf } from './outline.ts'

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

/** One of them with its shape; without, where it cannot be read. */
export interface InspectedDeadLetter extends ShownDeadLetter {
  readonly outline?: Outline
}

/** What is in quarantine. */
export interface QuarantineShown {
  readonly records: number
  readonly bytes: number
  /** ISO time. */
  readonly oldest: string | null
  readonly tenants: Readonly<Record<string, number>>
}

/** Which dead letters: of one destination or all, these or all. */
export interface Which {
  readonly destination?: string
  readonly ids?: readonly string[]
}

/** What can be asked and done; by one gateway, or by all workers of one together. */
export interface SetAside {
  quarantine(): Promise<QuarantineShown>
  release(): Promise<{ released: number; rejected: number; quarantined: number }>
  purgeQuarantine(): Promise<{ purged: number }>
  /** Oldest first. */
  deadLetters(destination: string | undefined): Promise<ShownDeadLetter[]>
  /** By id: a destination has one at most, but several may have refused the same batch. */
  inspect(id: string): Promise<InspectedDeadLetter[]>
  /** Both give the number of batches. */
  retryDeadLetters(which: Which): Promise<number>
  purgeDeadLetters(which: Which): Promise<number>
}

const none = { error: 'there is no dead letter with this id' }

export function setAsideRoutes(app: FastifyInstance, setAside: SetAside): void {
  app.get('/v1/quarantine', () => setAside.quarantine())
  app.post('/v1/quarantine/release', () => setAside.release())
  app.post('/v1/quarantine/purge', () => setAside.purgeQuarantine())

  app.get<{ Querystring: { destination?: string } }>('/v1/dead-letters', async ({ query }) => {
    return { dead_letters: await setAside.deadLetters(query.destination) }
  })
  app.get<{ Params: { id: string } }>('/v1/dead-letters/:id', async ({ params }, reply) => {
    const found = await setAside.inspect(params.id)
    if (found.length === 0) return reply.code(404).send(none)
    return { dead_letters: found }
  })
  for (const [verb, work] of [
    ['retry', (which: Which) => setAside.retryDeadLetters(which)],
    ['purge', (which: Which) => setAside.purgeDeadLetters(which)],
  ] as const) {
    app.post<{ Body: Which | null }>(`/v1/dead-letters/${verb}`, async ({ body }, reply) => {
      const batches = await work(body ?? {})
      // Who names some means them: a slip of the pen must not look as if it were done.
      if (batches === 0 && body?.ids !== undefined) return reply.code(404).send(none)
      return { batches }
    })
  }
}

/** What this process has set aside. */
export function setAsideOf(gateway: Gateway): SetAside {
  const { quarantines } = gateway
  const each = async (which: Which, work: (destination: Destination) => Promise<number>): Promise<number> => {
    let batches = 0
    for (const [, destination] of chosen(gateway, which.destination)) batches += await work(destination)
    return batches
  }
  return {
    async quarantine() {
      const states = quarantines.map((one) => one.state())
      const oldest = states.map(({ oldestMs }) => oldestMs).filter((ms) => ms !== undefined)
      return {
        records: states.reduce((sum, { records }) => sum + records, 0),
        bytes: states.reduce((sum, { bytes }) => sum + bytes, 0),
        oldest: oldest.length === 0 ? null : iso(Math.min(...oldest)),
        tenants: byName(states.flatMap(({ tenants }) => tenants)),
      }
    },
    release: () => release(gateway),
    async purgeQuarantine() {
      let purged = 0
      for (const one of quarantines) purged += await one.purge()
      return { purged }
    },
    async deadLetters(destination) {
      const lists = await Promise.all(chosen(gateway, destination).map(shown))
      return lists.flat()
    },
    async inspect(id) {
      const found = await Promise.all(chosen(gateway, undefined).map((one) => inspected(one, id)))
      return found.flat()
    },
    retryDeadLetters: (which) => each(which, (destination) => destination.retryDeadLetters(which.ids)),
    purgeDeadLetters: (which) => each(which, (destination) => destination.deadLetters.purge(which.ids)),
  }
}

/**
 * Everything in quarantine through the chain again, as if it came in now from whoever sent it then. Each record follows
 * today's policy: it is copied, refused, or quarantined anew. What cannot be taken now stays, and the error says why.
 */
async function release(gateway: Gateway): Promise<{ released: number; rejected: number; quarantined: number }> {
  let rejected = 0
  let released = 0
  const before = gateway.account.total()
  // Those that others left first: what comes back into quarantine goes into this one's own.
  for (const quarantine of gateway.quarantines.toReversed()) {
    released += await quarantine.release(async (parcel) => {
      const { answer, rejected: refused, records } = await gateway.readmit(incomingOf(parcel), parcel.group)
      const isTaken = answer.is === 'ok' || answer.is === 'partial' || (answer.is === 'bad' && refused === records)
      if (!isTaken) throw new DouaneError('queue', `released until here: ${answer.message}`)
      rejected += refused
      gateway.account.quarantineReleased(parcel.tenants)
    })
  }
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
  const names = destinations.states().map(([name]) => name)
  const found = id === undefined ? names : names.filter((name) => name === id)
  if (found.length === 0 && id !== undefined) {
    throw new DouaneError('config', `there is no destination ${id}`, `Name one of ${names.join(', ')}.`)
  }
  return found.flatMap((name) => destinations.parts(name).map((part): [string, Destination] => [name, part]))
}

async function shown([id, { deadLetters }]: [string, Destination]): Promise<ShownDeadLetter[]> {
  return (await deadLetters.list()).map((letter) => shownAs(id, letter))
}

async function inspected([destination, { deadLetters }]: [string, Destination], id: string) {
  const read = await deadLetters.read(id)
  if (read === undefined) return []
  const outline = outlineOf(read.body, limits.outlinedRecordsMax)
  return [{ ...shownAs(destination, read.letter), ...(outline && { outline }) }]
}

const shownAs = (destination: string, letter: DeadLetter): ShownDeadLetter => ({
  destination,
  id: letter.id,
  reason: letter.reason,
  records: letter.records,
  bytes: letter.bytes,
  tenants: byName(letter.tenants),
  policy_version: letter.policyVersion,
  queued: iso(letter.queuedMs),
  dead: iso(letter.deadMs),
})

const iso = (ms: number): string => new Date(ms).toISOString()

function byName(tenants: TenantCounts): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [name, records] of tenants) sums[name] = (sums[name] ?? 0) + records
  return sums
}
