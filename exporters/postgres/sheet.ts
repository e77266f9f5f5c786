/**
 * The rows of a batch that go into one partition, and what they count as.
 */
import { limits } from '../../src/limits.ts'
import type { Place, Range } from './place.ts'
import { RowBuffer } from './row_buffer.ts'
import type { Day, Shelf } from './shelves.ts'
import { escapeText } from './stored_json.ts'

/** How many records of an event a day and tenant had in this batch. */
export interface Count {
  readonly day: string
  readonly place: Place
  readonly retention: string
  readonly eventName: string
  records: number
}

export class Sheet {
  shelf: Shelf
  readonly rows = new RowBuffer()
  /** Where each row begins in `rows`; they end where `rows` ends. */
  rowStarts: number[] = []
  /** What each row is counted in. */
  counts: Count[] = []

  constructor(shelf: Shelf) {
    this.shelf = shelf
  }

  reuse(shelf: Shelf): this {
    this.shelf = shelf
    this.rows.clear()
    this.rowStarts = []
    this.counts = []
    return this
  }

  /** Rows from, including, to, excluding. */
  range(from: number, to: number): Buffer {
    const end = to === this.rowStarts.length ? this.rows.at : this.rowStarts[to]
    return this.rows.bytes.subarray(this.rowStarts[from], end)
  }
}

/** What a batch writes for one day of one place. */
export class Pile {
  readonly sheet: Sheet
  /** The columns purpose, retention, tenant, region of its rows. */
  readonly columns: Buffer
  /** Where the program of row_memory.ts has these columns; 0: not there. */
  keptAt = 0
  readonly #day: Day
  readonly #counter: Counter
  readonly #counts = new Map<string, Count>()
  #last: Count | undefined
  readonly #lastName: Range = { start: -1, end: -1 }

  constructor(day: Day, sheet: Sheet, counter: Counter) {
    this.#day = day
    this.sheet = sheet
    this.#counter = counter
    const { purpose, tenant, region } = day.place
    this.columns = textColumns([purpose, day.shelf.value, tenant, region])
  }

  /** What was remembered of a batch's bytes is another batch's now. */
  forget(): void {
    this.#last = undefined
  }

  /** What a record is counted in, by its event name: mostly the same as the one before. */
  count(source: Buffer, { start, end }: Range): Count {
    const last = this.#lastName
    if (!this.#last || !isSame(source, last.start, last.end, start, end)) {
      last.start = start
      last.end = end
      const key = start < 0 ? '' : source.latin1Slice(start, end)
      let count = this.#counts.get(key)
      if (!count) {
        count = this.#counter.open(this.#day, start < 0 ? '' : source.utf8Slice(start, end))
        this.#counts.set(key, count)
      }
      this.#last = count
    }
    return this.#last
  }
}

/** All counts of a batch. A sender who makes up event names does not make rows without end. */
export class Counter {
  readonly counts: Count[] = []
  readonly #others = new Map<Day, Count>()

  open(day: Day, eventName: string): Count {
    if (this.counts.length < limits.usageEventsMax) return this.#add(day, eventName)
    let others = this.#others.get(day)
    if (!others) {
      others = this.#add(day, '')
      this.#others.set(day, others)
    }
    return others
  }

  #add(day: Day, name: string): Count {
    const eventName = name.slice(0, limits.usageEventCharsMax)
    const count = { day: day.name, place: day.place, retention: day.shelf.retention, eventName, records: 0 }
    this.counts.push(count)
    return count
  }
}

function isSame(source: Buffer, from: number, fromEnd: number, start: number, end: number): boolean {
  if (fromEnd - from !== end - start || from < 0 !== start < 0) return false
  for (let i = end - start - 1; i >= 0; i--) if (source[from + i] !== source[start + i]) return false
  return true
}

/** Text columns in COPY's form; an empty text is NULL. */
function textColumns(texts: readonly string[]): Buffer {
  const out = new RowBuffer()
  for (const text of texts) {
    if (text === '') out.nullColumn()
    else {
      const column = out.openColumn()
      out.appendText(escapeText(text))
      out.closeColumn(column)
    }
  }
  return Buffer.from(out.bytes.subarray(0, out.at))
}
