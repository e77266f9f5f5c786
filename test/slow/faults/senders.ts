/**
 * Senders that do as OTLP says: what is refused for now is sent again, the same bytes, after the time that was named
 * (a shorter one here); what got no answer is given up, since nobody can know whether it was taken. One request in ten is
 * large: its records lie so far apart that they are worked on in several pieces, and acknowledged once.
 */
import { limits } from '../../../src/limits.ts'
import { later } from '../../e2e/gateway.ts'
import { bytes, record, request, send } from '../../e2e/requests.ts'

export class Senders {
  /** Records whose request was answered with 200. */
  readonly acknowledged = new Set<string>()
  readonly answers: Record<string, number> = {}
  /** Answers that say "not now" without naming a time. */
  withoutTime = 0
  /** Where the gateway listens now; a new number for each life of it. */
  place: { http: string; life: number } | undefined
  #isStopped = false
  readonly #loops: Promise<void>[]

  constructor(count: number, recordsEach: number) {
    this.#loops = Array.from({ length: count }, (_, sender) => this.#run(sender, recordsEach))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#loops)
  }

  async #run(sender: number, recordsEach: number): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const texts = Array.from({ length: recordsEach }, (_, i) => `s${sender}.${n}.${i}`)
      const isTaken = await this.#deliver(bodyOf(`tenant-${sender % 3}`, texts, n % 10 === 9))
      if (isTaken) for (const text of texts) this.acknowledged.add(text)
    }
  }

  async #deliver(body: Buffer): Promise<boolean> {
    while (this.place === undefined && !this.#isStopped) await later(20)
    const life = this.place?.life
    while (!this.#isStopped && this.place?.life === life && this.place !== undefined) {
      const reply = await send(this.place.http, body).catch(() => undefined)
      const answer = reply?.status ?? 'none'
      this.answers[answer] = (this.answers[answer] ?? 0) + 1
      if (reply === undefined) {
        await later(50)
        return false
      }
      if (reply.status === 200) return true
      if (reply.status !== 503 && reply.status !== 429) throw new Error(`answered ${reply.status}`)
      if (reply.headers['retry-after'] === undefined) this.withoutTime++
      await later(40 + (body.length % 60))
    }
    return false
  }
}

/** `isLarge`: with scopes that hold nothing before each record. */
function bodyOf(tenant: string, texts: readonly string[], isLarge: boolean): Buffer {
  const records = texts.map((text) => record(text))
  const plain = request(tenant, records)
  if (!isLarge) return bytes(plain)
  const empty = Array.from({ length: Math.ceil((1.5 * limits.atOnceUnitsMax) / records.length) }, () => ({}))
  const scopeLogs = records.flatMap((one) => [...empty, { logRecords: [one] }])
  return bytes({ resourceLogs: [{ ...plain.resourceLogs![0]!, scopeLogs }] })
}
