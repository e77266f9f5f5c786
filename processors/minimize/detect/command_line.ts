/**
 * Passwords on command lines whose options do not say so by name: `sshpass -p x`, `mysql -px`, `curl -u user:x`.
 */
import { limits } from '../../../src/limits.ts'
import { classes, lowered, quote, textOf } from './ascii.ts'
import { isPlaceholder } from './placeholder.ts'
import { detector } from './registry.ts'
import type { Scan } from './state.ts'

const password = detector('password', 'secret')

interface Command {
  /** The option, with what stands before its value. */
  readonly options: readonly string[]
  /** The value is `user:password`. */
  readonly hasUser: boolean
}
const client: Command = { options: [' -p'], hasUser: false }
const commands = new Map<string, Command>([
  ['sshpass', { options: [' -p ', ' -p'], hasUser: false }],
  ['mysql', client],
  ['mysqldump', client],
  ['mysqladmin', client],
  ['mariadb', client],
  ['curl', { options: [' -u ', ' --user '], hasUser: true }],
])
/** Words at which the scan must stop. */
export const commandWords: readonly string[] = [...commands.keys()]
/** The letters that they begin with: most words are none of them. */
const initials = new Set(commandWords.map((word) => word.charCodeAt(0)))
/** How far behind the command its options are looked for. */
const optionsBytesMax = 160

/** The word in [start, end) may be such a command. Returns where to go on, or 0. */
export function commandLine(s: Scan, start: number, end: number): number {
  if (end - start < 4 || end - start > 10 || !initials.has(lowered[s.bytes[start]!]!)) return 0
  const command = commands.get(textOf(s.bytes, start, end).toLowerCase())
  if (command === undefined) return 0
  const last = Math.min(s.to, end + optionsBytesMax)
  s.hits.steps += last - end
  for (let at = end; at < last && s.bytes[at] !== 10; at++) {
    if (s.bytes[at] !== 32 || s.bytes[at + 1] !== 45) continue
    const option = command.options.find((text) => isAt(s, at, text))
    if (option === undefined) continue
    const found = value(s, at + option.length, command.hasUser)
    if (found > 0) return found
  }
  return 0
}

function isAt(s: Scan, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (s.byte(at + i) !== text.charCodeAt(i)) return false
  return true
}

function value(s: Scan, at: number, hasUser: boolean): number {
  const open = classes[s.byte(at)]! & quote ? s.byte(at) : 0
  let from = open ? at + 1 : at
  let to = from
  const last = Math.min(s.to, from + limits.contextBytesMax)
  while (to < last && (open ? s.bytes[to] !== open : s.bytes[to]! > 32 && (classes[s.bytes[to]!]! & quote) === 0)) to++
  if (hasUser) {
    let colon = from
    while (colon < to && s.bytes[colon] !== 58) colon++
    if (colon === to) return 0
    from = colon + 1
  }
  if (to - from < 4 || isPlaceholder(s.bytes, from, to)) return 0
  s.hits.add(from, to, password, 80)
  return to
}
