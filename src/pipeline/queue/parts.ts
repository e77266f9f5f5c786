/**
 * A batch that is sent in parts: which records are still to be sent.
 *
 * What is remembered is where it was cut and which ranges are done; what is left follows from that and the number of
 * records. So a note that is lost makes a part larger or sends it again, and never loses a record.
 */

/** Records [from, to) of a chunk, in the order of the request. */
export type Range = readonly [from: number, to: number]

/** What is remembered about a chunk that was cut. */
export interface Divided {
  readonly cuts: number[]
  readonly done: Range[]
}

/** The ranges of [0, records) that are still to be sent; undefined: all of it, in one piece. */
export function partsLeft(records: number, { cuts, done }: Divided): Range[] | undefined {
  const points = new Set([0, records])
  for (const point of [...cuts, ...done.flat()]) if (point > 0 && point < records) points.add(point)
  const sorted = [...points].sort((a, b) => a - b)
  const left: Range[] = []
  for (let i = 0; i + 1 < sorted.length; i++) {
    const [from, to] = [sorted[i]!, sorted[i + 1]!]
    if (!done.some(([start, end]) => start <= from && to <= end)) left.push([from, to])
  }
  return left.length === 1 && left[0]![0] === 0 && left[0]![1] === records ? undefined : left
}

/** The other way round: what to remember for a chunk of which `parts` are left. */
export function dividedOf(records: number, parts: readonly Range[]): Divided {
  const done: Range[] = []
  let at = 0
  for (const [from, to] of parts) {
    if (from > at) done.push([at, from])
    at = to
  }
  if (at < records) done.push([at, records])
  return { cuts: parts.map(([from]) => from), done }
}

/** `parts` with `range` cut at each of `cuts`. */
export function cutParts(parts: readonly Range[], range: Range, cuts: readonly number[]): Range[] {
  return parts.flatMap((part): readonly Range[] => {
    if (part[0] !== range[0] || part[1] !== range[1]) return [part]
    const points = [range[0], ...cuts, range[1]]
    return points.slice(1).map((to, i): Range => [points[i]!, to])
  })
}

/** What is left of the records [from, to) of a batch, counted from `from`; undefined: all of them, in one piece. */
export function clipParts(parts: readonly Range[] | undefined, from: number, to: number): Range[] | undefined {
  if (parts === undefined) return undefined
  const clipped = parts
    .map(([start, end]): Range => [Math.max(start, from) - from, Math.min(end, to) - from])
    .filter(([start, end]) => start < end)
  return clipped.length === 1 && clipped[0]![0] === 0 && clipped[0]![1] === to - from ? undefined : clipped
}
