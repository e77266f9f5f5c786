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
  /** Only with this word between the command and its option. */
  readonly after?: string
  /** A clause of SQL: the option stands right behind the word, the value in quotes. */
  readonly isClause?: true
}
const client: Command = { options: [' -p'], hasUser: false }
const mongo: Command = { options: [' -p ', ' --password '], hasUser: false }
const ldap: Command = { options: [' -w '], hasUser: false }
const psexec: Command = { options: [' -p '], hasUser: false }
const login: Command = { options: [' -p '], hasUser: false, after: ' login ' }
const commands = new Map<string, Command>([
  ['sshpass', { options: [' -p ', ' -p'], hasUser: false }],
  ['mysql', client],
  ['mysqldump', client],
  ['mysqladmin', client],
  ['mariadb', client],
  ['redis-cli', { options: [' -a ', ' --pass '], hasUser: false }],
  ['mongo', mongo],
  ['mongosh', mongo],
  ['mongodump', mongo],
  ['mongorestore', mongo],
  ['ldapsearch', ldap],
  ['ldapmodify', ldap],
  ['ldapadd', ldap],
  ['sqlcmd', { options: [' -P ', ' -P'], hasUser: false }],
  ['psexec', psexec],
  ['psexec.exe', psexec],
  ['docker', login],
  ['podman', login],
  ['helm', login],
  // CREATE USER jane IDENTIFIED BY 'x'
  ['identified', { options: [' by ', ' BY '], hasUser: false, isClause: true }],
  ['curl', { options: [' -u ', ' --user '], hasUser: true }],
])
/** Words at which the scan must stop. */
export const commandWords: readonly string[] = [...commands.keys()]
/** The letters that they begin with: most words are none of them. */
const initials = new Set(commandWords.map((word) => word.charCodeAt(0)))
const commandMax = Math.max(...commandWords.map((word) => word.length))
/** How far behind the command its options are looked for. */
const optionsBytesMax = 160

/** The word in [start, end) may be such a command. Returns where to go on, or 0. */
export function commandLine(s: Scan, start: number, end: number): number {
  if (end - start < 4 || end - start > commandMax || !initials.has(lowered[s.bytes[start]!]!)) return 0
  const command = commands.get(textOf(s.bytes, start, end).toLowerCase())
  if (command === undefined) return 0
  const last = Math.min(s.to, end + optionsBytesMax)
  s.hits.steps += last - end
  if (command.isClause) {
    const by = command.options.find((text) => isAt(s, end, text))
    return by !== undefined && classes[s.byte(end + by.length)]! & quote ? value(s, end + by.length, false) : 0
  }
  let isReady = command.after === undefined
  for (let at = end; at < last && s.bytes[at] !== 10; at++) {
    if (s.bytes[at] !== 32) continue
    if (!isReady && isAt(s, at, command.after!)) isReady = true
    if (s.bytes[at + 1] !== 45 || !isReady) continue
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
