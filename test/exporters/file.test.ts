import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { file } from '../../exporters/file.ts'
import type { Exporter } from '../../src/contract.ts'
import { DependencyError } from '../../src/errors.ts'
import { jsonToWire } from '../../src/otlp/json.ts'
import { conformsExporter, never, randomBatch } from '../conforms_exporter.ts'
import { decodeRequest, encodeRequest, type Request } from '../oracle/otlp.ts'
import { type TestHost, testHost } from './host.ts'

const linesOf = (path: string): string[] => {
  const text = readFileSync(path, 'utf8')
  expect(text === '' || text.endsWith('\n')).toBe(true)
  return text.split('\n').slice(0, -1)
}
const requestsOf = (path: string): Request[] =>
  linesOf(path).map((line) => decodeRequest(jsonToWire(Buffer.from(line))))

conformsExporter({
  component: file,
  shows: ['success'],
  open: async (host) => ({
    options: { path: 'out.jsonl' },
    expect: () => {},
    stored: async () => requestsOf(join(host.folder, 'out.jsonl')),
    stop: async () => {},
  }),
  canBeAway: false,
})

describe('file', () => {
  let host: TestHost
  const open: Exporter[] = []
  const at = (name: string) => join(host.folder, name)

  beforeEach(() => {
    host = testHost('file/test')
  })
  afterEach(async () => {
    for (const exporter of open.splice(0)) await exporter.close()
    host.end()
  })

  const make = async (options: Record<string, unknown> = {}): Promise<Exporter> => {
    const exporter = file.create(file.config.parse({ path: 'out.jsonl', ...options }), host)
    open.push(exporter)
    await exporter.start?.()
    return exporter
  }
  const sized = (bytes: number) => ({
    id: 'sized',
    records: 1,
    body: encodeRequest({
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x'.repeat(bytes) } }] }] }],
    }),
  })
  const rotated = () =>
    readdirSync(host.folder)
      .filter((name) => name !== 'out.jsonl')
      .sort()

  test('writes one line of OTLP/JSON a batch, readable by its owner only, in folders that it makes', async () => {
    const exporter = await make({ path: 'deep/er/out.jsonl' })
    await exporter.send(randomBatch(1), never)
    await exporter.send(randomBatch(2), never)
    expect(linesOf(at('deep/er/out.jsonl'))).toHaveLength(2)
    expect(statSync(at('deep/er/out.jsonl')).mode & 0o777).toBe(0o600)
    for (const line of linesOf(at('deep/er/out.jsonl'))) expect(JSON.parse(line)).toHaveProperty('resourceLogs')
  })

  test('goes on at the end of a file that is there, and cuts off a line that a crash left unfinished', async () => {
    await (await make()).send(randomBatch(1), never)
    await open.pop()!.close()
    appendFileSync(at('out.jsonl'), `{"resourceLogs":[{"unfinished${'x'.repeat(200_000)}`)
    await (await make()).send(randomBatch(2), never)
    expect(requestsOf(at('out.jsonl'))).toEqual([randomBatch(1).request, randomBatch(2).request])
    expect(host.lines.join()).toContain('file_unfinished_line_removed')
  })

  test('of several workers each writes a file of its own', async () => {
    for (const worker of [1, 2]) {
      const exporter = file.create(file.config.parse({ path: 'out.jsonl' }), { ...host, worker })
      open.push(exporter)
      await exporter.start?.()
      await exporter.send(randomBatch(worker), never)
    }
    expect([linesOf(at('out.jsonl')).length, linesOf(at('out.worker2.jsonl')).length]).toEqual([1, 1])
  })

  test('rotates before the file would grow beyond max_megabytes, and loses no line', async () => {
    const exporter = await make({ rotation: { max_megabytes: 0.01 } })
    host.setNowMs(Date.parse('2026-01-31T09:30:00Z'))
    const sends: Promise<unknown>[] = []
    for (let index = 0; index < 20; index++) sends.push(exporter.send(sized(3000), never))
    await Promise.all(sends)
    const names = rotated()
    expect(names.length).toBeGreaterThanOrEqual(5)
    expect(names[0]).toBe('out-2026-01-31T09-30-00.000.jsonl')
    let lines = 0
    for (const name of [...names, 'out.jsonl']) {
      lines += linesOf(at(name)).length
      expect(statSync(at(name)).size).toBeLessThanOrEqual(0.01 * 1024 * 1024)
    }
    expect(lines).toBe(20)
  })

  test('a line that is larger than max_megabytes has a file to itself', async () => {
    const exporter = await make({ rotation: { max_megabytes: 0.01 } })
    for (const bytes of [100, 50_000, 100]) expect((await exporter.send(sized(bytes), never)).is).toBe('accepted')
    expect([...rotated(), 'out.jsonl'].map((name) => linesOf(at(name)).length)).toEqual([1, 1, 1])
  })

  test('keeps the newest max_backups, none older than max_days, and never touches a file that is not its own', async () => {
    const strangers = [
      'other-2020-01-01T00-00-00.000.jsonl',
      'out-2020-01-01.jsonl',
      'out-2020-13-99T00-00-00.000.jsonl',
      'out.txt',
    ]
    for (const name of strangers) writeFileSync(at(name), 'keep')
    for (const day of ['01', '10', '20', '29', '30']) writeFileSync(at(`out-2026-01-${day}T00-00-00.000.jsonl`), '')
    host.setNowMs(Date.parse('2026-01-31T00:00:00Z'))
    await make({ rotation: { max_days: 15, max_backups: 2 } })
    expect(rotated()).toEqual(
      [...strangers, 'out-2026-01-29T00-00-00.000.jsonl', 'out-2026-01-30T00-00-00.000.jsonl'].sort(),
    )
    await make({ rotation: { max_days: 2, max_backups: 0 } })
    expect(rotated()).not.toContain('out-2026-01-28T00-00-00.000.jsonl')
    expect(rotated()).toContain('out-2026-01-29T00-00-00.000.jsonl')
  })

  test('without rotation nothing is renamed or removed', async () => {
    writeFileSync(at('out-2026-01-01T00-00-00.000.jsonl'), '')
    const exporter = await make()
    await exporter.send(sized(200_000), never)
    expect(rotated()).toEqual(['out-2026-01-01T00-00-00.000.jsonl'])
  })

  test.runIf(existsSync('/dev/full'))('a disk that is full is unavailable', async () => {
    const exporter = file.create(file.config.parse({ path: '/dev/full' }), host)
    open.push(exporter)
    const outcome = await exporter.send(randomBatch(1), never)
    expect(outcome.is).toBe('unavailable')
  })

  test('a write that fails half-way, and a sync that fails, leave whole lines only', async () => {
    const exporter = await make()
    await exporter.send(randomBatch(1), never)
    const probe = await openFile(at('probe'), 'w')
    const handles = Object.getPrototypeOf(probe) as FileHandle
    await probe.close()
    const failure = (code: string) => Object.assign(new Error(code), { code })
    const write = vi.spyOn(handles, 'write')
    write.mockImplementationOnce(async function (this: FileHandle, ...args: unknown[]) {
      const [bytes, , , position] = args as [Buffer, number, number, number]
      await this.write(bytes, 0, 10, position)
      throw failure('ENOSPC')
    } as never)
    expect(await exporter.send(randomBatch(2), never)).toMatchObject({
      is: 'unavailable',
      reason: expect.stringContaining('ENOSPC'),
    })
    vi.spyOn(handles, 'datasync').mockRejectedValueOnce(failure('EIO'))
    expect(await exporter.send(randomBatch(2), never)).toMatchObject({
      is: 'unavailable',
      reason: expect.stringContaining('EIO'),
    })
    expect(requestsOf(at('out.jsonl'))).toEqual([randomBatch(1).request])
    expect(await exporter.send(randomBatch(2), never)).toEqual({ is: 'accepted' })
    expect(requestsOf(at('out.jsonl'))).toEqual([randomBatch(1).request, randomBatch(2).request])
    vi.restoreAllMocks()
  })

  test('what fails is sent again later: the file is whole when its folder is back', async () => {
    const exporter = await make({ path: 'gone/out.jsonl', rotation: { max_megabytes: 0.001 } })
    await exporter.send(sized(900), never)
    rmSync(at('gone'), { recursive: true })
    expect((await exporter.send(sized(900), never)).is).toBe('unavailable')
    mkdirSync(at('gone'))
    expect((await exporter.send(sized(900), never)).is).toBe('accepted')
    expect(linesOf(at('gone/out.jsonl'))).toHaveLength(1)
  })

  test('bytes that are no request are refused for good', async () => {
    expect((await (await make()).send({ id: 'x', records: 1, body: Buffer.from([0x0a, 0xff]) }, never)).is).toBe(
      'rejected',
    )
  })

  test('a place that cannot be written is told at start, with what to do', async () => {
    writeFileSync(at('a-file'), '')
    const failing = make({ path: 'a-file/out.jsonl' })
    await expect(failing).rejects.toThrow(DependencyError)
    await expect(failing).rejects.toThrow(/file\/test.*ENOTDIR|EEXIST/)
  })
})
