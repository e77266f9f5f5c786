/**
 * What the detectors find in a line, and where: offsets in the line, and the path of the value in JSON. Values of JSON
 * are looked at one by one, under their names, as `minimize` does; then the line as a whole, for what only the words
 * around a value tell.
 */
import { type DetectContext, detect, type Finding } from '../../processors/minimize/detect/index.ts'
import { limits } from '../limits.ts'
import { type JsonValue, type JsonWalk, rawOffsets } from './json_walk.ts'

export interface LocatedFinding extends Finding {
  /** In JSON: the value's path. */
  readonly path?: string
}

export function findingsOf(line: string, walk: JsonWalk, context: DetectContext): LocatedFinding[] {
  const values = walk.line(line)
  if (values === undefined) return detect(line, context)
  const found = values.flatMap((value) => ofValue(line, value, context))
  for (const finding of detect(line, context)) {
    if (found.some(({ start, end }) => start < finding.end && finding.start < end)) continue
    const value = values.find(({ start, end }) => start <= finding.start && finding.end <= end)
    found.push(value === undefined ? finding : { ...finding, path: shownPath(value.path) })
  }
  return found.sort((a, b) => a.start - b.start)
}

function ofValue(
  line: string,
  { text, start, end, key, path, isName }: JsonValue,
  context: DetectContext,
): LocatedFinding[] {
  if (text.length < 3) return []
  const findings = detect(text, isName ? context : { ...context, key })
  if (findings.length === 0) return []
  const isRaw = text.length === end - start
  const offsets = isRaw ? undefined : rawOffsets(line.slice(start, end))
  const at = (offset: number): number => start + (offsets?.[offset] ?? offset)
  const shown = shownPath(path)
  return findings.map((finding) => ({ ...finding, start: at(finding.start), end: at(finding.end), path: shown }))
}

const known = new Map<string, string>()

/** Names in a path may be personal themselves: such a path is not shown. */
function shownPath(path: string): string {
  let shown = known.get(path)
  if (shown === undefined) {
    shown = detect(path).length > 0 ? '(a name that is personal itself)' : path
    if (known.size >= limits.scannedPathsMax) known.clear()
    known.set(path, shown)
  }
  return shown
}
