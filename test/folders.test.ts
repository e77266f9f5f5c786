/** Folders are made with those above them, private; a file system that cannot is told, and not asked for ever. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeFolders } from '../src/folders.ts'

const dir = mkdtempSync(join(tmpdir(), 'douane-folders-'))
afterAll(() => rmSync(dir, { recursive: true }))

test('makes what is missing, tells it from the outside in, and leaves what is there', () => {
  const [a, b] = [join(dir, 'a'), join(dir, 'a', 'b')]
  expect(makeFolders(b)).toEqual([a, b])
  expect(statSync(b).mode & 0o777).toBe(0o700)
  expect(makeFolders(b)).toEqual([])
  expect(makeFolders(join(b, 'c'))).toEqual([join(b, 'c')])
})

test('a file in the way is an error', () => {
  writeFileSync(join(dir, 'file'), '')
  expect(() => makeFolders(join(dir, 'file'))).toThrow(/EEXIST/)
  expect(() => makeFolders(join(dir, 'file', 'below'))).toThrow(/ENOTDIR/)
})

test('a file system that takes no folders is told, however deep', () => {
  const place = existsSync('/proc/self') ? '/proc' : '/dev'
  expect(() => makeFolders(join(place, 'douane', 'one', 'two'))).toThrow(/ENOENT|EACCES|EPERM|ENOTSUP|EROFS/)
})
