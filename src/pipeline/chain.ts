/**
 * Runs a pipeline's processors over a scanned request: in order, synchronously, record by record.
 *
 * Fail closed: a processor that throws takes out what was being visited, a resource or a scope with all its records;
 * it is counted and told, never exported. What senders may not set, attributes under `douane.`, goes first.
 */
import type { Counter, Processor, Verdict } from '../contract.ts'
import { Kind } from '../otlp/fields.ts'
import { isReservedKey } from '../otlp/keys.ts'
import { LogRecord } from '../otlp/record.ts'
import {
  type LogsRequest,
  RECORD_ROW,
  RESOURCE_ROW,
  RecordCol,
  Resource,
  ResourceCol,
  SCOPE_ROW,
  Scope,
  ScopeCol,
} from '../otlp/request.ts'
import { Col, ROW } from '../otlp/slots.ts'
import { TenantFault } from './tenant.ts'

/** A verdict as it stands in `RecordCol.Verdict`. */
export const VerdictCode = { keep: 0, drop: 1, reject: 2, quarantine: 3 } as const

export interface NamedProcessor {
  readonly id: string
  readonly processor: Processor
  /** Records that reach it, and that it lets pass. */
  readonly incoming: Counter
  readonly outgoing: Counter
}

/** Told for each throw: the component and the error's class; never its message, which may hold payload. */
export type Report = (component: string, error: unknown) => void

export class Chain {
  readonly #processors: readonly NamedProcessor[]
  readonly #report: Report
  readonly #record: LogRecord
  readonly #resource: Resource
  readonly #scope: Scope
  readonly #request: LogsRequest
  #reason: string | undefined
  /** Records that each processor was shown, and one more: those that all of them kept. */
  readonly #shown: Int32Array
  /** Sender attributes under `douane.` that were dropped, ever. */
  reservedDropped = 0

  constructor(request: LogsRequest, processors: readonly NamedProcessor[], report: Report) {
    this.#request = request
    this.#processors = processors
    this.#report = report
    this.#shown = new Int32Array(processors.length + 1)
    this.#resource = new Resource(request)
    this.#scope = new Scope(request)
    this.#record = new LogRecord(request, this.#resource, this.#scope)
  }

  /**
   * Visits the whole request: records' verdicts are in their rows afterwards. Resources with `faults[index]` = 1 are
   * refused unseen. Returns why the first record was refused; never payload.
   */
  run(faults: Uint8Array): string | undefined {
    this.#reason = undefined
    this.#shown.fill(0)
    const begun = this.#each((processor) => processor.begin?.(this.#request))
    const { resources } = this.#request
    for (let index = 0; index < resources.count; index++) {
      if (faults[index] === TenantFault.contradiction) {
        this.#reason ??= 'the resource names a tenant that the credential may not speak for'
      }
      this.#visitResource(index, begun && faults[index] !== TenantFault.contradiction)
    }
    this.#each((processor) => processor.end?.(this.#request))
    for (const [i, { incoming, outgoing }] of this.#processors.entries()) {
      incoming.add(this.#shown[i]!)
      outgoing.add(this.#shown[i + 1]!)
    }
    return this.#reason
  }

  #visitResource(index: number, isOk: boolean): void {
    const { slots, resources } = this.#request
    const row = index * RESOURCE_ROW
    const view = this.#resource.visit(index)
    slots.insertAt = resources.at[row + ResourceCol.To]!
    slots.recentMarks = 0
    const firstEdit = slots.editCount
    this.#dropReserved(view.first, view.end)
    const ok = isOk && this.#each((processor) => processor.resource?.(view))
    this.#request.sharedMarks |= slots.recentMarks
    resources.at[row + ResourceCol.FirstEdit] = firstEdit
    resources.at[row + ResourceCol.EndEdit] = slots.editCount
    const end = resources.at[row + ResourceCol.EndScope]!
    for (let scope = resources.at[row + ResourceCol.FirstScope]!; scope < end; scope++) this.#visitScope(scope, ok)
  }

  #visitScope(index: number, resourceOk: boolean): void {
    const { slots, scopes } = this.#request
    const row = index * SCOPE_ROW
    const view = this.#scope.visit(index)
    slots.insertAt = scopes.at[row + ScopeCol.To]!
    slots.recentMarks = 0
    const firstEdit = slots.editCount
    this.#dropReserved(view.first, view.end)
    const ok = resourceOk && this.#each((processor) => processor.scope?.(view))
    this.#request.sharedMarks |= slots.recentMarks
    scopes.at[row + ScopeCol.FirstEdit] = firstEdit
    scopes.at[row + ScopeCol.EndEdit] = slots.editCount
    const first = scopes.at[row + ScopeCol.FirstRecord]!
    const end = scopes.at[row + ScopeCol.EndRecord]!
    if (ok) for (let record = first; record < end; record++) this.#visitRecord(record)
    else for (let record = first; record < end; record++) this.#judge(record, 'reject')
  }

  #visitRecord(index: number): void {
    const { slots, records } = this.#request
    const view = this.#record.visit(index)
    const row = index * RECORD_ROW
    slots.recentMarks = 0
    const firstEdit = slots.editCount
    if (this.#request.hasReservedKeys) this.#dropReserved(view.first, view.end)
    let verdict: Verdict = 'keep'
    const processors = this.#processors
    for (let i = 0; i < processors.length; i++) {
      const { processor } = processors[i]!
      this.#shown[i]!++
      if (processor.record === undefined) continue
      try {
        verdict = processor.record(view)
      } catch (error) {
        this.#report(processors[i]!.id, error)
        verdict = 'reject'
        this.#reason ??= `processor ${processors[i]!.id} failed`
      }
      if (verdict !== 'keep') break
    }
    if (verdict === 'keep') this.#shown[processors.length]!++
    records.at[row + RecordCol.FirstEdit] = firstEdit
    records.at[row + RecordCol.EndEdit] = slots.editCount
    records.at[row + RecordCol.Marks] = slots.recentMarks
    this.#judge(index, verdict)
  }

  #judge(index: number, verdict: Verdict): void {
    this.#request.records.at[index * RECORD_ROW + RecordCol.Verdict] = VerdictCode[verdict]
    if (verdict === 'reject') this.#reason ??= 'refused by a rule of the pipeline'
  }

  /** Calls a hook of every processor; false if one threw. */
  #each(call: (processor: Processor) => void): boolean {
    for (const { id, processor } of this.#processors) {
      try {
        call(processor)
      } catch (error) {
        this.#report(id, error)
        this.#reason ??= `processor ${id} failed`
        return false
      }
    }
    return true
  }

  #dropReserved(first: number, end: number): void {
    const { slots, hasReservedKeys, keys } = this.#request
    if (!hasReservedKeys) return
    for (let slot = first; slot < end; slot++) {
      const row = slot * ROW
      const id = slots.rows[row + Col.KeyId]!
      if (id < 0 || slots.rows[row + Col.Kind] === Kind.Removed) continue
      const reserved =
        id > 0
          ? keys.isReserved(id)
          : isReservedKey(this.#request.body, slots.rows[row + Col.KeyFrom]!, slots.rows[row + Col.KeyTo]!)
      if (!reserved) continue
      slots.remove(slot)
      this.reservedDropped++
    }
  }
}
