/**
 * The line between the process above the workers and one worker: questions with answers, and notes without.
 *
 * Node's channel between processes carries it, with structured clones: numbers, texts, maps and buffers as they are.
 * Errors cross as what they say; the other side throws the same kind.
 */
import { ConfigRefused, type Problem } from '../../config/problem.ts'
import { ConfigError, DependencyError, DouaneError, type ErrorCode, KeyError } from '../errors.ts'

/** What an error is on the line. */
type Fault =
  | { readonly is: 'refused'; readonly problems: readonly Problem[] }
  | { readonly is: 'told'; readonly code: ErrorCode; readonly message: string; readonly fix: string | undefined }

type Message =
  | { readonly kind: 'ask'; readonly id: number; readonly what: string; readonly given: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'fault'; readonly id: number; readonly fault: Fault }
  | { readonly kind: 'note'; readonly what: string; readonly given: unknown }

/** The other side is gone: what was asked gets no answer. */
export class LineCut extends DouaneError {
  constructor() {
    super('dependency', 'a worker ended before it answered')
    this.name = 'LineCut'
  }
}

/** What one side answers, by name. */
export type Answers = Readonly<Record<string, (given: never) => unknown>>

/** Told of a note that could not be taken: a defect of ours, which must not end a process. */
export type Failed = (what: string, error: unknown) => void

export class Line {
  readonly #post: (message: Message) => void
  readonly #answers: Answers
  readonly #failed: Failed
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #next = 0
  #isCut = false

  /** `post` hands a message to the channel; what comes out of it goes to `take`. */
  constructor(post: (message: unknown) => void, answers: Answers, failed: Failed) {
    this.#post = post
    this.#answers = answers
    this.#failed = failed
  }

  /** Rejects with the other side's error, or with `LineCut`. */
  ask<Value>(what: string, given?: unknown): Promise<Value> {
    if (this.#isCut) return Promise.reject(new LineCut())
    const id = this.#next++
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#post({ kind: 'ask', id, what, given })
    })
  }

  tell(what: string, given: unknown): void {
    if (!this.#isCut) this.#post({ kind: 'note', what, given })
  }

  take(received: unknown): void {
    const message = received as Message
    switch (message.kind) {
      case 'ask':
        void this.#reply(message)
        return
      case 'note':
        this.#hear(message)
        return
      case 'answer':
        this.#settled(message.id)?.resolve(message.value)
        return
      case 'fault':
        this.#settled(message.id)?.reject(errorOf(message.fault))
        return
      default:
      // Not ours: Node's own messages between the processes.
    }
  }

  /** The channel is closed. */
  cut(): void {
    this.#isCut = true
    for (const { reject } of this.#waiting.values()) reject(new LineCut())
    this.#waiting.clear()
  }

  /** Nobody waits for what comes of it. */
  #hear({ what, given }: Message & { kind: 'note' }): void {
    try {
      this.#answers[what]!(given as never)
    } catch (error) {
      this.#failed(what, error)
    }
  }

  #settled(id: number) {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  async #reply({ id, what, given }: Message & { kind: 'ask' }): Promise<void> {
    let reply: Message
    try {
      reply = { kind: 'answer', id, value: await this.#answers[what]!(given as never) }
    } catch (error) {
      reply = { kind: 'fault', id, fault: faultOf(error) }
    }
    if (!this.#isCut) this.#post(reply)
  }
}

function faultOf(error: unknown): Fault {
  if (error instanceof ConfigRefused) return { is: 'refused', problems: error.problems }
  if (error instanceof DouaneError) return { is: 'told', code: error.code, message: error.message, fix: error.fix }
  // A defect of ours: the stack says where, and never what was in a record.
  const message = error instanceof Error ? (error.stack ?? error.message) : 'unknown'
  return { is: 'told', code: 'defect', message, fix: undefined }
}

function errorOf(fault: Fault): Error {
  if (fault.is === 'refused') return new ConfigRefused(fault.problems)
  const { code, message, fix } = fault
  if (code === 'dependency') return new DependencyError(message, fix)
  if (code === 'key') return new KeyError(message, fix)
  return code === 'config' ? new ConfigError(message, [], fix) : new DouaneError(code, message, fix)
}
