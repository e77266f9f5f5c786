/** What the tests of authenticators share: a folder for their files, a clock, credentials. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Credentials } from '../../src/receive/authenticate/authenticator.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'douane-auth-'))
// Files of tests that run in one process share this module, and so the folder: it goes with the process.
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

export const fileOf = (name: string): string => path.resolve(folder, name)

/** Writes a file whole: a reader sees the old one or the new one. */
export function write(name: string, text: string): void {
  writeFileSync(fileOf(`${name}.new`), text)
  renameSync(fileOf(`${name}.new`), fileOf(name))
}

export const clock = { nowMs: Date.parse('2026-11-21T00:00:00Z') }
export const reloads: (string | undefined)[] = []
export const host = {
  resolve: fileOf,
  nowMs: () => clock.nowMs,
  reloaded: (error?: string) => void reloads.push(error),
}

export const credentials = (over: Partial<Credentials> = {}): Credentials => ({
  authorization: undefined,
  apiKey: undefined,
  certificate: () => undefined,
  ...over,
})
export const bearer = (token: string): Credentials => credentials({ authorization: `Bearer ${token}` })
