/**
 * From a complete body to an answer; the same for HTTP and gRPC.
 *
 *   body as sent ──inflate──▶ protobuf or JSON ──▶ wire bytes ──accept──▶ answer
 *
 * Whatever happens, every buffer goes back to the pool once, and `done` is called once.
 */
import { JsonError } from '../errors.ts'
import { limits } from '../limits.ts'
import { jsonToWire, jsonToWireSteps, wireBytesMax } from '../otlp/json.ts'
import type { Accept, Answer, Received, Sender } from './accept.ts'
import type { Body } from './body.ts'
import { type Encoding, inflate } from './inflate.ts'
import type { BodyMemory, BodyPool, NoMemory } from './pool.ts'
import { badData, Code, type Refusal, type RefusalReason, refusalOf, retryable } from './status.ts'

/** What both transports share. */
export interface Intake {
  readonly pool: BodyPool
  readonly accept: Accept
  readonly nowUnixNano: () => bigint
  readonly monotonicNano: () => bigint
  /** A request that ended before `accept` was asked. */
  readonly refused: (transport: Sender['transport'], reason: RefusalReason) => void
}

/** What is known of a request when its headers are in. */
export interface Arrival {
  readonly json: boolean
  readonly encoding: Encoding
  readonly bytesMax: number
  readonly sender: Sender
  readonly headers: Received['headers']
  readonly receivedUnixNano: bigint
  readonly receivedMonotonicNano: bigint
}

/** The answer of `accept`, or why it was not asked. */
export type Told = Answer | { is: 'refused'; refusal: Refusal }

const memoryRetryAfterMs = 1000

export const tooLarge = (bytesMax: number): Refusal => ({
  reason: 'too_large',
  http: 413,
  code: Code.ResourceExhausted,
  message: `The request is larger than ${bytesMax} bytes, the limit here (also after decompression). Send smaller batches.`,
})

export const noMemory = (why: NoMemory): Refusal =>
  why === 'no_memory'
    ? retryable(
        'memory',
        503,
        Code.Unavailable,
        'Too many bytes of requests are being handled. Try again.',
        memoryRetryAfterMs,
      )
    : retryable(
        'memory_share',
        429,
        Code.ResourceExhausted,
        'Too many bytes of this sender’s requests are being handled. Try again.',
        memoryRetryAfterMs,
      )

/** What the bytes of a sender's requests are counted in. */
export const memoryOf = (pool: BodyPool, sender: Sender): BodyMemory => pool.of(sender.principal ?? sender.address)

/** Takes a complete body over; its memory is given back here. Gives a function that stops the inflating. */
export function take(intake: Intake, arrival: Arrival, body: Body, done: (told: Told) => void): () => void {
  if (arrival.encoding === 'identity') {
    understand(intake, arrival, body, done)
    return () => {}
  }
  const refuse = (refusal: Refusal): void => done({ is: 'refused', refusal })
  const stop = inflate(
    arrival.encoding,
    body.bytes(),
    arrival.bytesMax,
    memoryOf(intake.pool, arrival.sender),
    (result) => {
      body.release()
      if (result.is === 'body') understand(intake, arrival, result.body, done)
      else if (result.is === 'too_large') refuse(tooLarge(arrival.bytesMax))
      else if (result.is !== 'corrupt') refuse(noMemory(result.is))
      else refuse(badData(`The body is not valid ${arrival.encoding}.`, 'bad_encoding'))
    },
  )
  return () => {
    stop()
    body.release()
  }
}

function understand(intake: Intake, arrival: Arrival, body: Body, done: (told: Told) => void): void {
  if (!arrival.json) {
    ask(intake, arrival, body.bytes(), done, () => body.release())
    return
  }
  const text = body.bytes()
  const memory = memoryOf(intake.pool, arrival.sender)
  const buffer = memory.take(wireBytesMax(text.length))
  if (!Buffer.isBuffer(buffer)) {
    body.release()
    done({ is: 'refused', refusal: noMemory(buffer) })
    return
  }
  readJson(text, buffer, (read) => {
    body.release()
    if (Buffer.isBuffer(read)) {
      ask(intake, arrival, read, done, () => memory.give(buffer))
      return
    }
    memory.give(buffer)
    done(read)
  })
}

/**
 * The wire bytes of a JSON text, written into `buffer`; of a large one in steps, between which others get their turn.
 * Only our own errors are quoted: a reason and an offset.
 */
function readJson(text: Buffer, buffer: Buffer, done: (read: Buffer | Told) => void): void {
  if (text.length <= limits.jsonBytesPerStep) {
    done(attempted(() => jsonToWire(text, buffer)))
    return
  }
  const steps = jsonToWireSteps(text, buffer)
  const step = (): void => {
    const read = attempted(() => steps.next().value ?? undefined)
    if (read === undefined) setImmediate(step)
    else done(read)
  }
  step()
}

function attempted<T>(read: () => T): T | Told {
  try {
    return read()
  } catch (error) {
    if (error instanceof JsonError) return { is: 'refused', refusal: badData(error.message) }
    return { is: 'failed', message: 'The JSON reader failed. This is a defect of the gateway.' }
  }
}

const defect: Answer = { is: 'failed', message: 'The gateway failed on this request. This is a defect of the gateway.' }

function ask(intake: Intake, arrival: Arrival, bytes: Buffer, done: (told: Told) => void, release: () => void): void {
  const received: Received = {
    body: bytes,
    sender: arrival.sender,
    headers: arrival.headers,
    receivedUnixNano: arrival.receivedUnixNano,
    receivedMonotonicNano: arrival.receivedMonotonicNano,
  }
  const settle = (answer: Answer): void => {
    release()
    done(answer)
  }
  try {
    intake.accept(received).then(settle, () => settle(defect))
  } catch {
    settle(defect)
  }
}

/** What to tell: a refusal, or the success that `told` is. */
export function refusalIn(told: Told): Refusal | undefined {
  return told.is === 'refused' ? told.refusal : refusalOf(told)
}
