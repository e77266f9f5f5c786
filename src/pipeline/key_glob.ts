/** Attribute keys with `*` for any run of characters: `http.*`, `*.id`. Everything else is matched as it stands. */

/** Whether a key matches one of the globs. Linear: runs of `*` count as one, and matching never backs up twice. */
export function keyMatcher(globs: readonly string[]): (key: string) => boolean {
  const exact = new Set(globs.filter((glob) => !glob.includes('*')))
  const parts = globs.filter((glob) => glob.includes('*')).map((glob) => glob.split(/\*+/))
  return (key) => exact.has(key) || parts.some((pieces) => matches(key, pieces))
}

/** `pieces` are the texts between the stars: the first stands at the start, the last at the end, the others in order. */
function matches(key: string, pieces: readonly string[]): boolean {
  const first = pieces[0]!
  const last = pieces.at(-1)!
  if (!key.startsWith(first) || key.length < first.length + last.length || !key.endsWith(last)) return false
  let at = first.length
  const end = key.length - last.length
  for (const piece of pieces.slice(1, -1)) {
    const found = key.indexOf(piece, at)
    if (found === -1 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}
