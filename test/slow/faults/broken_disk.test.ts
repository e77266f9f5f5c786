/**
 * A real file system that breaks under a running gateway, where we may mount one (none otherwise): ext4 that becomes read
 * only, and one on an overbooked device. Nothing is acknowledged any more, senders are told to come back; repaired, it
 * goes on, and what was acknowledged before is delivered, each record under one batch id.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { GatewayStatus } from '../../../src/status.ts'
import { passThrough, quickRetry } from '../../e2e/configs.ts'
import { cleanUp, files, type Gateway, start, temporaryFolder, until } from '../../e2e/gateway.ts'
import { bytes, getText, record, request, send } from '../../e2e/requests.ts'
import { Sink } from './sink.ts'

const undo: (() => void)[] = []
afterAll(async () => {
  for (const work of undo.toReversed()) work()
  await cleanUp()
})

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
const attempt = (command: string, ...args: string[]): void => {
  try {
    run(command, ...args)
  } catch {
    // Told by what comes next.
  }
}

interface Disk {
  readonly name: string
  readonly folder: string
  readonly codes: readonly string[]
  break(): void
  repair(): void
}

/** A device of 64 MiB on a file. Throws where there can be none. */
function loopDevice(folder: string): string {
  const image = join(folder, 'image')
  const file = openSync(image, 'w')
  ftruncateSync(file, 64 * 2 ** 20)
  closeSync(file)
  const device = run('losetup', '--find', '--show', image)
  undo.push(() => attempt('losetup', '-d', device))
  return device
}

function mountOn(device: string): string {
  run('mkfs.ext4', '-q', '-F', device)
  const folder = join(temporaryFolder(), 'disk')
  mkdirSync(folder)
  run('mount', '-o', 'errors=remount-ro', device, folder)
  undo.push(() => attempt('umount', '-l', folder))
  return folder
}

function remount(device: string, folder: string): void {
  run('umount', folder)
  attempt('fsck.ext4', '-y', device)
  run('mount', '-o', 'errors=remount-ro', device, folder)
}

function readOnly(): Disk {
  const device = loopDevice(temporaryFolder())
  const folder = mountOn(device)
  const trigger = `/sys/fs/ext4/${basename(device)}/trigger_fs_error`
  if (!existsSync(trigger)) throw new Error('not here')
  return {
    name: 'becomes read only',
    folder,
    codes: ['EROFS'],
    break: () => writeFileSync(trigger, 'as if'),
    repair: () => remount(device, folder),
  }
}

/** An overbooked device: more was promised than there is behind it, and somebody else takes the rest. */
function overbooked(): Disk {
  const behind = join(temporaryFolder(), 'behind')
  mkdirSync(behind)
  run('mount', '-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', behind)
  undo.push(() => attempt('umount', '-l', behind))
  const device = loopDevice(behind)
  const folder = mountOn(device)
  const rest = join(behind, 'rest')
  return {
    name: 'has less behind it than was promised',
    folder,
    codes: ['EIO', 'ENOSPC', 'EROFS'],
    break: () => attempt('dd', 'if=/dev/zero', `of=${rest}`, 'bs=64k'),
    repair: () => {
      rmSync(rest)
      remount(device, folder)
    },
  }
}

function disks(): Disk[] {
  return [readOnly, overbooked].flatMap((make) => {
    try {
      return [make()]
    } catch {
      return []
    }
  })
}

const statusOf = async ({ endpoints }: Gateway) =>
  JSON.parse((await getText(endpoints.admin, '/v1/status')).text) as GatewayStatus

test.each(disks())('a disk that $name: refused while it lasts, delivered once it is repaired', async (disk) => {
  const sink = new Sink(Math.random)
  await sink.up()
  await sink.down()
  const options = `endpoint: "${sink.url}", compression: none, ${quickRetry}`
  const config = files(temporaryFolder(), { 'gateway.yaml': passThrough({ 'otlp_http/a': options }) })
  const dataDir = join(disk.folder, 'data')
  const gateway = await start(config, dataDir, { waitMs: 120_000 })
  const acknowledged: string[] = []
  let n = 0
  const offer = async (to: Gateway) => {
    const text = `record ${n++}`
    const reply = await send(to.endpoints.http, bytes(request('acme', [record(text)])))
    if (reply.status === 200) acknowledged.push(text)
    return reply
  }
  for (let i = 0; i < 50; i++) expect((await offer(gateway)).status).toBe(200)
  disk.break()
  const refused = await until(async () => {
    const reply = await offer(gateway)
    return reply.status !== 200 && reply
  })
  expect(refused.status).toBe(503)
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  const code = await until(async () => (await statusOf(gateway)).destinations['otlp_http/a']!.diskFailing)
  expect(disk.codes).toContain(code)
  await until(async () => (await getText(gateway.endpoints.health, '/')).status === 503)
  for (let i = 0; i < 5; i++) expect((await offer(gateway)).status).toBe(503)
  await gateway.kill()
  disk.repair()
  const again = await start(config, dataDir, { waitMs: 120_000 })
  await sink.up()
  await until(() => acknowledged.every((text) => sink.ids.has(text)), 60_000)
  expect((await offer(again)).status).toBe(200)
  await until(() => acknowledged.every((text) => sink.ids.has(text)), 60_000)
  expect([...sink.ids.values()].every((ids) => ids.size === 1)).toBe(true)
  const { total } = await until(async () => {
    const status = await statusOf(again)
    return status.total.in_flight === 0 && status
  })
  expect(total.received).toBe(total.stored)
  expect(total.lost).toBe(0)
  console.log(JSON.stringify({ disk: disk.name, code, acknowledged: acknowledged.length, total }))
  await again.stop()
  await sink.down()
})
