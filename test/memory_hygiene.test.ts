import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { revealingFlags, withoutCores } from '../src/memory_hygiene.ts'

const main = join(import.meta.dirname, '../src/main.ts')

test.for([
  '--inspect',
  '--inspect-brk=0',
  '--report-on-signal',
  '--report-on-fatalerror',
  '--report_uncaught_exception',
  '--heapsnapshot-signal=SIGUSR2',
  '--heapsnapshot-near-heap-limit=3',
  '--heap-prof',
  '--abort-on-uncaught-exception',
])('%s shows memory, as a flag and in NODE_OPTIONS', (flag) => {
  expect(revealingFlags([flag], {})).toEqual([flag])
  expect(revealingFlags([], { NODE_OPTIONS: `--max-http-header-size=1 ${flag}` })).toEqual([flag])
  expect(revealingFlags([flag], { DOUANE_ALLOW_DUMPS: '1' })).toEqual([])
})

test('other flags do not', () => {
  const flags = ['--cpu-prof', '--max-semi-space-size=2', '--report-dir=x', '--conditions=inspect']
  expect(revealingFlags(flags, { NODE_OPTIONS: '--no-warnings' })).toEqual([])
})

test('a verb that holds keys refuses them, and says why', async () => {
  const child = spawn(process.execPath, ['--report-on-signal', main, 'decrypt', '--reason', 'x'], {
    env: {},
    stdio: 'pipe',
  })
  let told = ''
  child.stderr.on('data', (text) => {
    told += text
  })
  const [code] = await once(child, 'close')
  expect([code, told]).toEqual([2, expect.stringMatching(/--report-on-signal would write keys.*DOUANE_ALLOW_DUMPS/s)])
})

const onLinux = process.platform === 'linux'

test('a process that was started so makes no core file, as Linux says', async () => {
  if (!onLinux) return
  const [file, ...args] = withoutCores([process.execPath, '-e', 'process.stdin.resume()'])
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'ignore'] })
  try {
    const limits = () => readFileSync(`/proc/${child.pid}/limits`, 'utf8')
    await once(child, 'spawn')
    const endMs = performance.now() + 5000
    while (!/Max core file size +0 +0 /.test(limits()) && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(limits()).toMatch(/Max core file size +0 +0 /)
  } finally {
    child.kill('SIGKILL')
  }
})
