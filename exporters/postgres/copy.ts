/**
 * Sends a batch to PostgreSQL in one write: the statements, the rows and the end of the rows.
 *
 *   Query     'Q' int32 length, "INSERT INTO batches …; COPY logs_… FROM STDIN (FORMAT binary); COPY logs_… …" \0
 *   CopyData  'd' int32 length, a piece of the rows      (several)
 *   CopyDone  'c' int32 length
 *   and so on for the next COPY
 *
 * Nothing is waited for in between: a COPY that waits for the server's CopyInResponse, or sends its end as a small
 * write of its own, loses a round trip or 40 ms to delayed acknowledgements. If a statement fails, the server ignores
 * the CopyData that is already under way (the protocol's own rule). Statements of one Query are one transaction.
 */
import type { Connection, Submittable } from 'pg'
import { limits } from '../../src/limits.ts'

const copyHead = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const copyEnd = Buffer.from([0xff, 0xff])

function frame(type: string, size: number): Buffer {
  const head = Buffer.allocUnsafe(5)
  head.write(type, 'latin1')
  head.writeInt32BE(4 + size, 1)
  return head
}

/** The messages of one batch. */
function messages(statements: string, copies: readonly Buffer[]): Buffer[] {
  const text = Buffer.from(`${statements}\0`)
  const parts = [frame('Q', text.length), text]
  for (const rows of copies) {
    parts.push(frame('d', copyHead.length), copyHead)
    for (let start = 0; start < rows.length; start += limits.copyPieceBytesMax) {
      const piece = rows.subarray(start, start + limits.copyPieceBytesMax)
      parts.push(frame('d', piece.length), piece)
    }
    parts.push(frame('d', copyEnd.length), copyEnd, frame('c', 0))
  }
  return parts
}

/**
 * A query for `client.query()`: `statements` ends with as many COPYs as there are `copies`, each whole rows in COPY's
 * binary form. `done` resolves once the server has committed and the rows may be overwritten; rejects with its error.
 */
export class CopyRows implements Submittable {
  readonly done: Promise<void>
  readonly #statements: string
  readonly #copies: readonly Buffer[]
  #succeed: () => void = () => {}
  #fail: (error: Error) => void = () => {}
  #error: Error | undefined
  /** False while the socket reads the rows. */
  #written = true
  #answered = false

  constructor(statements: string, copies: readonly Buffer[]) {
    this.#statements = statements
    this.#copies = copies
    this.done = new Promise((resolve, reject) => {
      this.#succeed = resolve
      this.#fail = reject
    })
  }

  submit(connection: Connection): void {
    this.#written = false
    const { stream } = connection as unknown as { stream: import('node:net').Socket }
    stream.cork()
    const parts = messages(this.#statements, this.#copies)
    const last = parts.pop()!
    for (const part of parts) stream.write(part)
    stream.write(last, () => {
      this.#written = true
      this.#settle()
    })
    stream.uncork()
  }

  /** The rows may be read by the socket until the last write is over, also when the server has already said no. */
  #settle(): void {
    if (!this.#answered || !this.#written) return
    if (this.#error) this.#fail(this.#error)
    else this.#succeed()
  }

  // What `pg` calls.
  handleCopyInResponse(): void {}
  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
  handleError(error: Error): void {
    this.#error ??= error
    this.#answered = true
    this.#settle()
  }
  handleReadyForQuery(): void {
    this.#answered = true
    this.#settle()
  }
}
