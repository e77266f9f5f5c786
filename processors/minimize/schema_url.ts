/**
 * Schema URLs of resources and scopes. They are no fields that a user fills, so they are not rewritten: one that is a
 * plain URL without findings stays, any other goes.
 */
import { lastScan, noHint, scanText } from './detect/index.ts'

const plainUrl = /^https?:\/\/[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:\/[A-Za-z0-9._~/-]{0,500})?$/
/** Few occur, and most requests have the same. */
const known = new Map<string, boolean>()
const knownMax = 256

export function holdsNothing(url: string): boolean {
  const remembered = known.get(url)
  if (remembered !== undefined) return remembered
  const result = plainUrl.test(url) && isClean(url)
  if (known.size >= knownMax) known.clear()
  known.set(url, result)
  return result
}

/** Each part is looked at alone too: a number behind `/` is no part of a sentence. */
function isClean(url: string): boolean {
  return [url, ...url.split('/')].every((part) => {
    scanText(part, noHint)
    return lastScan().hits.count === 0 && !lastScan().hits.overflow
  })
}
