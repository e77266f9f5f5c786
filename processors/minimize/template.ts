/**
 * The template of a message: constant words kept, everything that may vary replaced by `<*>`, so that messages can still
 * be grouped where their text may not leave.
 *
 *   User jane@example.com (42) exported report.pdf in 310 ms   →   User <email> (<*>) exported <*> in <*> ms
 *
 * Stateless, and closed by default: only known words stay (template_words.ts, and those of the config), the labels that
 * masks left, and punctuation. A capital inside a sentence begins a name, so such a word goes, known or not.
 */
import { limits } from '../../src/limits.ts'
import { alsoNames, templateWords } from './template_words.ts'

const hole = '<*>'
/** A label of a mask, a word, or anything else between spaces and brackets. */
const token = /<[a-z][a-z0-9_]*>|[\p{L}\p{N}\p{M}_'’@.:/\\%#&+=?*$~^<>…-]+|[^\p{L}\p{N}\p{M}\s]|\s+/gu

/** The template of `text`, from its first line. */
export function templateOf(text: string, known: ReadonlySet<string>): string {
  const end = text.search(/[\r\n]/)
  const line = text.slice(0, Math.min(end < 0 ? text.length : end, limits.contextBytesMax * limits.templateWordsMax))
  let out = ''
  let words = 0
  let beginsSentence = true
  for (const [piece] of line.matchAll(token)) {
    if (/^\s+$/.test(piece)) {
      out += ' '
      continue
    }
    if (words++ === limits.templateWordsMax) return `${out}${hole}`
    const kept = piece.length === 1 && !/[\p{L}\p{N}]/u.test(piece) ? piece : keptOf(piece, known, beginsSentence)
    out += kept
    beginsSentence = /[.:!?[({|>=-]$/.test(piece)
  }
  return (end < 0 ? out : `${out} ${hole}`)
    .replace(/ {2,}/g, ' ')
    .replace(/<\*>(?: ?<\*>)+/g, hole)
    .trim()
}

/** A word with punctuation behind it stays if it is known; every other run is a hole. */
function keptOf(piece: string, known: ReadonlySet<string>, beginsSentence: boolean): string {
  if (/^<[a-z][a-z0-9_]*>$/.test(piece)) return piece
  const [, word = '', end = ''] = /^([A-Za-z]+)([.:=?…]{0,3})$/.exec(piece) ?? []
  if (word === '') return hole + (/[.:=?]$/.exec(piece)?.[0] ?? '')
  const low = word.toLowerCase()
  const isCapital = word !== low && word !== word.toUpperCase()
  if (isCapital && (!beginsSentence || alsoNames.has(low))) return hole + end
  if (word !== low && word === word.toUpperCase() && alsoNames.has(low)) return hole + end
  return known.has(low) || templateWords.has(low) ? word + end : hole + end
}
