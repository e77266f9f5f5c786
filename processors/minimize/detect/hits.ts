/**
 * What the detectors found in one value, in typed arrays that are used again: nothing is allocated while scanning.
 *
 * Offsets count bytes of the projection (ascii.ts). Confidence is a whole percentage. Where two findings overlap, the
 * surer one wins, then the longer one.
 */
import { limits } from '../../../src/limits.ts'

/** Findings come nearly in order, so an overlap is among the last few. */
const lookBack = 16

export class Hits {
  count = 0
  /** True when the value held more findings than `findingsMax`: it is masked whole. */
  overflow = false
  /** Work done, in bytes looked at by the verifiers; tests prove that it grows linearly with the input. */
  steps = 0
  readonly start = new Int32Array(limits.findingsMax)
  readonly end = new Int32Array(limits.findingsMax)
  readonly detector = new Uint16Array(limits.findingsMax)
  readonly confidence = new Uint8Array(limits.findingsMax)

  clear(): void {
    this.count = 0
    this.overflow = false
    this.steps = 0
  }

  /** Adds a finding, unless one that overlaps is as good; takes out those that it beats. */
  add(start: number, end: number, detector: number, confidence: number): void {
    const first = Math.max(0, this.count - lookBack)
    for (let i = this.count - 1; i >= first; i--) {
      if (this.end[i]! <= start || this.start[i]! >= end) continue
      if ((confidence - this.confidence[i]! || end - start - (this.end[i]! - this.start[i]!)) <= 0) return
    }
    for (let i = this.count - 1; i >= first; i--)
      if (this.end[i]! > start && this.start[i]! < end) this.copy(--this.count, i)
    if (this.count === limits.findingsMax) {
      this.overflow = true
      return
    }
    this.start[this.count] = start
    this.end[this.count] = end
    this.detector[this.count] = detector
    this.confidence[this.count] = confidence
    this.count++
  }

  private copy(source: number, target: number): void {
    this.start[target] = this.start[source]!
    this.end[target] = this.end[source]!
    this.detector[target] = this.detector[source]!
    this.confidence[target] = this.confidence[source]!
  }

  /** Puts the findings in order of start; there are few, and they nearly are. */
  sort(): void {
    for (let i = 1; i < this.count; i++)
      for (let j = i; j > 0 && this.start[j]! < this.start[j - 1]!; j--) {
        const [s, e, d, c] = [this.start[j]!, this.end[j]!, this.detector[j]!, this.confidence[j]!]
        this.copy(j - 1, j)
        this.start[j - 1] = s
        this.end[j - 1] = e
        this.detector[j - 1] = d
        this.confidence[j - 1] = c
      }
  }
}
