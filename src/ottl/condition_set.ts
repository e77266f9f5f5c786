/**
 * Conditions compiled for log records: as a set, so that each attribute is looked for once however many conditions
 * name it.
 *
 *   const set = new ConditionSet([parseCondition('severity_number >= SEVERITY_NUMBER_ERROR')])
 *   set.begin()                      once a request
 *   set.visit(record)                once a record
 *   set.holds(0)                     true, false, or throws OttlError
 */
import type { LogRecord } from '../otlp/record.ts'
import type { Condition } from './checker.ts'
import { type Binding, compileTest, type Test } from './compiler.ts'
import { quickTest } from './quick_tests.ts'
import { readOf } from './record_paths.ts'
import { View } from './view.ts'

export class ConditionSet {
  readonly #view = new View()
  readonly #tests: readonly Test<View>[]

  constructor(conditions: readonly Condition[]) {
    const view = this.#view
    const binding: Binding<View> = {
      path: (path, fail) => readOf(path, view, fail),
      quick: (node, fail) => quickTest(node, view, fail),
    }
    this.#tests = conditions.map(({ root }) => compileTest(root, binding))
  }

  begin(): void {
    this.#view.begin()
  }

  visit(record: LogRecord): void {
    this.#view.visit(record)
  }

  /** Whether condition `index` holds for the record that was visited last. Throws `OttlError`. */
  holds(index: number): boolean {
    return this.#tests[index]!(this.#view)
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
