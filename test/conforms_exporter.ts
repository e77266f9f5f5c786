/**
 * What every exporter must keep to, whatever it sends to: `conformsExporter()` in its test file runs all of it against
 * a real destination. It shows that the line between an exporter and the pipeline holds: options, outcomes, abort,
 * close. It does not show that the destination's own rules are met: that is for the exporter's own tests.
 */
import { hash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import type { Batch, Exporter, ExporterComponent, Outcome } from '../src/contract.ts'
import { type TestHost, testHost } from './exporters/host.ts'
import { encodeRequest, type Request } from './oracle/otlp.ts'
import { randomRequest, seeded } from './oracle/random.ts'

/** How the destination takes the next batch. */
export type Behaviour = 'success' | 'permanent' | 'transient' | 'hang'

export interface Destination {
  /** What goes under the exporter's id in the configuration. */
  readonly options: Record<string, unknown>
  /** The next batches are taken so; then all is well again. */
  expect(...behaviours: Behaviour[]): void
  /** What it has stored: batches that it answered with success. */
  stored(): Promise<Request[]>
  /** How many batches have come to it, where it can show `hang`. */
  asked?(): number
  /** Goes away. */
  stop(): Promise<void>
}

export interface Subject {
  readonly component: ExporterComponent
  /** Behaviours that such a destination can show. An exporter that sends nowhere shows success only. */
  readonly shows: readonly Behaviour[]
  /** False where nothing is stored, so nothing can be compared. */
  readonly stores?: boolean
  /** False where nothing is sent over a network, so nobody can be away. */
  readonly canBeAway?: boolean
  open(host: TestHost): Promise<Destination>
}

const settledIs: Record<Exclude<Behaviour, 'hang'>, Outcome['is']> = {
  success: 'accepted',
  permanent: 'rejected',
  transient: 'unavailable',
}

let batches = 0
/** A batch of random records, at least one. */
export function randomBatch(seed: number): Batch & { request: Request } {
  const random = seeded(seed)
  for (;;) {
    const request = randomRequest(random)
    const records = (request.resourceLogs ?? [])
      .flatMap((resource) => resource.scopeLogs ?? [])
      .reduce((sum, scope) => sum + (scope.logRecords?.length ?? 0), 0)
    for (const { scopeLogs = [] } of request.resourceLogs ?? [])
      for (const { logRecords = [] } of scopeLogs)
        for (const record of logRecords) {
          delete record.traceId
          delete record.spanId
        }
    if (records > 0) return { id: `batch-${batches++}`, body: encodeRequest(request), records, request }
  }
}

export const never = new AbortController().signal

/** A subject under test: what is open during one test. */
interface Run {
  readonly subject: Subject
  host: TestHost
  destination: Destination
  exporter: Exporter
}

const sends = ({ subject }: Run): boolean => subject.shows.includes('transient')

export function conformsExporter(subject: Subject): void {
  const { component } = subject
  describe(`${component.name} conforms`, () => {
    const run = { subject } as Run
    beforeEach(async () => {
      run.host = testHost(`${component.name}/conforms`)
      run.destination = await subject.open(run.host)
      run.exporter = component.create(component.config.parse(run.destination.options), run.host)
      await run.exporter.start?.()
    })
    afterEach(async () => {
      await run.exporter.close()
      await run.destination.stop()
      run.host.end()
    })
    checkOptions(run)
    checkOutcomes(run)
    checkAborts(run)
    checkClose(run)
    checkSecrecy(run)
  })
}

async function expectStored({ subject, destination }: Run, sent: Request[]): Promise<void> {
  if (subject.stores === false) return
  // By digest: a difference of whole requests is nothing to read.
  const key = (request: Request) => hash('sha256', encodeRequest(request))
  const stored = await destination.stored()
  expect(stored.map(key).sort()).toEqual(sent.map(key).sort())
}

function checkOptions(run: Run): void {
  test('its names are snake_case, its options described, unknown ones refused', () => {
    for (const name of [run.subject.component.name, ...(run.subject.component.aliases ?? [])])
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    const schema = z.toJSONSchema(run.subject.component.config, { io: 'input', unrepresentable: 'any' })
    const check = (node: unknown, path: string): void => {
      const { properties = {} } = node as { properties?: Record<string, { description?: string }> }
      for (const [name, option] of Object.entries(properties)) {
        expect(name, path).toMatch(/^[a-z][a-z0-9_]*$/)
        expect(option.description, `${path}.${name} is described`).toBeTruthy()
        check(option, `${path}.${name}`)
      }
    }
    check(schema, run.subject.component.name)
    const wrong = run.subject.component.config.safeParse({ ...run.destination.options, no_such_option: true })
    expect(wrong.success).toBe(false)
    expect(wrong.error?.issues[0]?.code).toBe('unrecognized_keys')
  })
}

function checkOutcomes(run: Run): void {
  test('what the destination takes is accepted, and there, once', async () => {
    const sent = [1, 2, 3].map(randomBatch)
    for (const batch of sent) expect(await run.exporter.send(batch, never)).toEqual({ is: 'accepted' })
    await expectStored(
      run,
      sent.map(({ request }) => request),
    )
  })

  test('sends at the same time do not get into each other’s way', async () => {
    const sent = Array.from({ length: 30 }, (_, index) => randomBatch(index))
    const outcomes = await Promise.all(sent.map((batch) => run.exporter.send(batch, never)))
    expect(outcomes).toEqual(sent.map(() => ({ is: 'accepted' })))
    await expectStored(
      run,
      sent.map(({ request }) => request),
    )
  })

  test.runIf(sends(run))(
    'permanent, transient and mixed failures are told apart, and the same bytes can be sent again',
    async () => {
      const random = seeded(11)
      const stored: Request[] = []
      const choices = run.subject.shows.filter((each) => each !== 'hang')
      for (let seed = 0; seed < 40; seed++) {
        const batch = randomBatch(seed)
        const before = Buffer.from(batch.body)
        let outcome: Outcome
        let behaviour: Exclude<Behaviour, 'hang'>
        do {
          behaviour = choices[Math.floor(random() * choices.length)] as Exclude<Behaviour, 'hang'>
          run.destination.expect(behaviour)
          outcome = await run.exporter.send(batch, never)
          expect(outcome.is).toBe(settledIs[behaviour])
          expect(before.equals(batch.body)).toBe(true)
        } while (outcome.is === 'unavailable')
        if (outcome.is === 'accepted') stored.push(batch.request)
        else expect((outcome as { reason: string }).reason).toMatch(/\S/)
      }
      await expectStored(run, stored)
    },
  )

  test('bytes that are no request never make it throw', async () => {
    for (const body of [Buffer.from('not protobuf at all'), Buffer.from([0x0a, 0xff]), Buffer.alloc(0)]) {
      const outcome = await run.exporter.send({ id: `odd-${body.length}`, body, records: 1 }, never)
      expect(['accepted', 'rejected', 'partial']).toContain(outcome.is)
    }
  })
}

function checkAborts(run: Run): void {
  test('an aborted send ends as unavailable and sends nothing', async () => {
    expect((await run.exporter.send(randomBatch(1), AbortSignal.abort())).is).toBe('unavailable')
    await expectStored(run, [])
  })

  test.runIf(run.subject.shows.includes('hang'))(
    'an abort ends a send that gets no answer, and the next one goes through',
    async () => {
      run.destination.expect('hang')
      const controller = new AbortController()
      const sending = run.exporter.send(randomBatch(1), controller.signal)
      // Not before it has come: the destination would hang on the next one instead.
      await vi.waitUntil(() => run.destination.asked!() === 1, { timeout: 10_000, interval: 10 })
      controller.abort()
      const started = performance.now()
      expect((await sending).is).toBe('unavailable')
      expect(performance.now() - started).toBeLessThan(2000)
      expect((await run.exporter.send(randomBatch(2), never)).is).toBe('accepted')
    },
  )

  test.runIf(run.subject.canBeAway !== false)('a destination that is away is unavailable, and no throw', async () => {
    await run.destination.stop()
    const outcome = await run.exporter.send(randomBatch(1), AbortSignal.timeout(5000))
    expect(outcome.is).toBe('unavailable')
  })
}

function checkClose(run: Run): void {
  test('close ends, also with sends under way, and what comes later is not accepted', async () => {
    if (run.subject.shows.includes('hang')) run.destination.expect('hang')
    const sending = run.exporter.send(randomBatch(1), AbortSignal.timeout(3000))
    await new Promise((resolve) => setTimeout(resolve, 30))
    await run.exporter.close()
    if (sends(run)) expect((await sending).is).toBe('unavailable')
    else await sending
    if (run.subject.canBeAway !== false)
      expect((await run.exporter.send(randomBatch(2), AbortSignal.timeout(3000))).is).toBe('unavailable')
    await run.exporter.close()
  })
}

function checkSecrecy(run: Run): void {
  test('its log and its reasons hold no payload', async () => {
    const secret = 'secret-value-0815'
    const body = encodeRequest({
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: secret } }] }] }],
    })
    const told: string[] = []
    for (const behaviour of run.subject.shows.filter((each) => each !== 'hang')) {
      run.destination.expect(behaviour)
      told.push(JSON.stringify(await run.exporter.send({ id: 'p', body, records: 1 }, never)))
    }
    expect([...told, ...run.host.lines].join('\n')).not.toContain(secret)
  })
}
