/** Globs over keys: `*` stands for anything, also for nothing; everything else for itself, case-insensitively. */
export type Matcher = (key: string) => boolean

export function globs(patterns: readonly string[]): Matcher {
  const exact = new Set(patterns.filter((p) => !p.includes('*')).map((p) => p.toLowerCase()))
  const parts = patterns.filter((p) => p.includes('*')).map((p) => p.toLowerCase().split('*'))
  return (key) => {
    const low = key.toLowerCase()
    return exact.has(low) || parts.some((pieces) => matches(low, pieces))
  }
}

/** The pieces between the stars, in order: the first at the start, the last at the end. Linear in the key. */
function matches(key: string, pieces: readonly string[]): boolean {
  const first = pieces[0]!
  const last = pieces.at(-1)!
  if (key.length < first.length + last.length || !key.startsWith(first) || !key.endsWith(last)) return false
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    const found = key.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return at <= key.length - last.length
}
