/** What all workers have set aside, as one. */
import type { InspectedDeadLetter, QuarantineShown, SetAside, ShownDeadLetter, Which } from '../admin/set_aside.ts'
import type { Member } from './member.ts'

export function setAsideOfAll(members: readonly Member[]): SetAside {
  const ask = <Value>(method: keyof SetAside, given?: unknown): Promise<Value[]> =>
    Promise.all(
      members.filter(({ isRunning }) => isRunning).map((member) => member.ask<Value>('setAside', { method, given })),
    )
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0)
  return {
    async quarantine() {
      const parts = await ask<QuarantineShown>('quarantine')
      const tenants: Record<string, number> = {}
      for (const part of parts) {
        for (const [name, records] of Object.entries(part.tenants)) tenants[name] = (tenants[name] ?? 0) + records
      }
      const oldest = parts.map((part) => part.oldest).filter((time) => time !== null)
      return {
        records: sum(parts.map(({ records }) => records)),
        bytes: sum(parts.map(({ bytes }) => bytes)),
        oldest: oldest.sort()[0] ?? null,
        tenants: Object.fromEntries(Object.entries(tenants).sort(([a], [b]) => (a < b ? -1 : 1))),
      }
    },
    async release() {
      const parts = await ask<Awaited<ReturnType<SetAside['release']>>>('release')
      return {
        released: sum(parts.map(({ released }) => released)),
        rejected: sum(parts.map(({ rejected }) => rejected)),
        quarantined: sum(parts.map(({ quarantined }) => quarantined)),
      }
    },
    async purgeQuarantine() {
      const parts = await ask<{ purged: number }>('purgeQuarantine')
      return { purged: sum(parts.map(({ purged }) => purged)) }
    },
    async deadLetters(destination) {
      const lists = await ask<ShownDeadLetter[]>('deadLetters', destination)
      return lists.flat().sort((a, b) => (a.dead < b.dead ? -1 : 1))
    },
    inspect: async (id) => (await ask<InspectedDeadLetter[]>('inspect', id)).flat(),
    retryDeadLetters: async (which: Which) => sum(await ask<number>('retryDeadLetters', which)),
    purgeDeadLetters: async (which: Which) => sum(await ask<number>('purgeDeadLetters', which)),
  }
}
