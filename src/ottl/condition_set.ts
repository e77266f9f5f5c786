/**
 * Conditions compiled for log records: as a set, so that each attribute is looked for once however many conditions
 * name it.
 *
 *   const set = new ConditionSet([parseCondition('severity_number >= SEVERITY_NUMBER_ERROR')])
 *   set.begin()                      once a request
 *   set.visit(record)                once a record
 *   set.holds(0)                     true, false, or throws OttlError
 *
 * Paths may be read along with them: `set.value(0)`, `set.slot(0)`.
 */
import type { LogRecord } from '../otlp/record.ts'
import type { Condition } from './checker.ts'
import { type Binding, compileTest, failureOf, type Read, type Test } from './compiler.ts'
import type { Path } from './paths.ts'
import { quickTest } from './quick_tests.ts'
import { readOf, type SlotOf, slotOf } from './record_paths.ts'
import type { Value } from './values.ts'
import { View } from './view.ts'

export class ConditionSet {
  /** For decision.ts. */
  readonly view = new View()
  readonly binding: Binding<View> = {
    path: (path, fail) => readOf(path, this.view, fail),
    quick: (node, fail) => quickTest(node, this.view, fail),
  }
  readonly #tests: readonly Test<View>[]
  readonly #reads: readonly Read<View>[]
  readonly #slots: readonly (SlotOf | undefined)[]

  constructor(conditions: readonly Condition[], paths: readonly Path[] = []) {
    const { binding, view } = this
    this.#tests = conditions.map(({ root }) => compileTest(root, binding))
    this.#reads = paths.map((path) => readOf(path, view, failureOf({ start: 0, end: 0 })))
    this.#slots = paths.map((path) => slotOf(path, view))
  }

  begin(): void {
    this.view.begin()
  }

  visit(record: LogRecord): void {
    this.view.visit(record)
  }

  /** Whether condition `index` holds for the record that was visited last. Throws `OttlError`. */
  holds(index: number): boolean {
    return this.#tests[index]!(this.view)
  }

  /** What path `index` holds. Throws `OttlError` where keys lead into what is no map or list. */
  value(index: number): Value {
    return this.#reads[index]!(this.view)
  }

  /** The slot of path `index`: -1 where it is absent, or where such a path has none. Further keys are not looked at. */
  slot(index: number): number {
    return this.#slots[index]?.(this.view) ?? -1
  }
}

/** One condition for one record at a time. */
export function compileCondition(condition: Condition): (record: LogRecord) => boolean {
  const set = new ConditionSet([condition])
  return (record) => {
    set.begin()
    set.visit(record)
    return set.holds(0)
  }
}
