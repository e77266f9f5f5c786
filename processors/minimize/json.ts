/**
 * JSON inside a string: every string, number and name in it is looked at on its own, with its name as context; whatever
 * is not changed stays byte for byte. What comes out is valid JSON if what went in was; else it is treated as plain text.
 */
import { limits } from '../../src/limits.ts'
import type { Policy, Verdict } from './policy.ts'

/** What json.ts needs of the rewriter. */
export interface JsonRewriter {
  readonly policy: Policy
  text(text: string, hint: Verdict['hint'], depth: number, encoding?: Verdict['encoding']): string | undefined
  keyed(verdict: Verdict, text: string): string | undefined
}

/** A string, a number, a word, or one of `{}[]:,`, after white space. Each alternative starts with another character. */
const token = /[ \t\r\n]*(?:("(?:[^"\\\u0000-\u001f]|\\.)*")|(-?\d[\d.eE+-]*)|(true|false|null)|([{}[\]:,]))/y

/** `isJson: false`: treat it as text. `text: undefined`: as it is. */
export function rewriteJson(
  text: string,
  rewriter: JsonRewriter,
  depth: number,
): { isJson: boolean; text: string | undefined } {
  if (text.length > limits.scannedBytesMax || !isValid(text)) return { isJson: false, text: undefined }
  let out = ''
  let copied = 0
  let isChanged = false
  const names: string[] = []
  let name = ''
  const replace = (from: number, to: number, by: string): void => {
    out += text.slice(copied, from) + by
    copied = to
    isChanged = true
  }
  for (let end = 0; ; ) {
    // A string inside may be JSON too, and moves lastIndex meanwhile.
    token.lastIndex = end
    const match = token.exec(text)
    if (!match) break
    end = token.lastIndex
    const [, string, number, , mark] = match
    if (mark === '{' || mark === '[') {
      names.push(name)
    } else if (mark === '}' || mark === ']') {
      name = names.pop() ?? ''
    } else if (string !== undefined) {
      const value = JSON.parse(string) as string
      const isKey = nextIsColon(text, end)
      if (isKey) name = value
      const changed = isKey ? nameOf(rewriter, value) : minimized(rewriter, name, value, depth)
      if (changed !== undefined) replace(end - string.length, end, JSON.stringify(changed))
    } else if (number !== undefined && number.length > 3) {
      const changed = minimized(rewriter, name, number, depth)
      if (changed !== undefined) replace(end - number.length, end, JSON.stringify(changed))
    }
  }
  return { isJson: true, text: isChanged ? out + text.slice(copied) : undefined }
}

function isValid(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function nameOf(rewriter: JsonRewriter, name: string): string | undefined {
  const verdict = rewriter.policy.nested(name)
  return verdict.isPersonal ? rewriter.text(name, verdict.hint, limits.embeddedJsonDepthMax + 1) : undefined
}

function minimized(rewriter: JsonRewriter, name: string, value: string, depth: number): string | undefined {
  const verdict = rewriter.policy.nested(name)
  if (verdict.action !== 'scan') return rewriter.keyed(verdict, value)
  return rewriter.text(value, verdict.hint, depth + 1, verdict.encoding)
}

/** In valid JSON a string before a colon is a name. */
function nextIsColon(text: string, at: number): boolean {
  let i = at
  while (i < text.length && text.charCodeAt(i) <= 32) i++
  return text.charCodeAt(i) === 58
}
