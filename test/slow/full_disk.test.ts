/**
 * A full disk, with real files: by default one that counts bytes and refuses beyond 3 MB; with `SMALL_DISK=DIR` a real
 * file system of a few megabytes that is used for nothing else, such as `mount -t tmpfs -o size=3m tmpfs DIR`.
 */
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/pipeline/clock.ts'
import { Destination } from '../../src/pipeline/destination.ts'
import { type Disk, type DiskFile, nodeDisk } from '../../src/pipeline/queue/disk.ts'
import { retryOnFailure, sendingQueue } from '../../src/pipeline/queue_config.ts'
import { parcel, request, silentLog, Tally, testCipher } from '../pipeline/queue/support.ts'

/** Real files, at most `bytesMax` in all. */
function smallDisk(bytesMax: number): Disk {
  const sizes = new Map<string, number>()
  const used = () => [...sizes.values()].reduce((sum, size) => sum + size, 0)
  const counted = (path: string, file: DiskFile): DiskFile => ({
    write: async (buffers, position) => {
      const size = position + buffers.reduce((sum, buffer) => sum + buffer.length, 0)
      const grownBytes = Math.max(0, size - (sizes.get(path) ?? 0))
      if (used() + grownBytes > bytesMax) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      sizes.set(path, Math.max(size, sizes.get(path) ?? 0))
      await file.write(buffers, position)
    },
    read: (into, position) => file.read(into, position),
    size: () => file.size(),
    truncate: (length) => file.truncate(length),
    sync: () => file.sync(),
    close: () => file.close(),
  })
  return {
    create: async (path) => counted(path, await nodeDisk.create(path)),
    reopen: async (path) => counted(path, await nodeDisk.reopen(path)),
    append: async (path) => counted(path, await nodeDisk.append(path)),
    read: (path) => nodeDisk.read(path),
    makeDir: (path) => nodeDisk.makeDir(path),
    list: (path) => nodeDisk.list(path),
    link: (from, to) => nodeDisk.link(from, to),
    links: (path) => nodeDisk.links(path),
    rename: async (from, to) => {
      await nodeDisk.rename(from, to)
      sizes.set(to, sizes.get(from) ?? 0)
      sizes.delete(from)
    },
    remove: async (path) => {
      await nodeDisk.remove(path)
      sizes.delete(path)
    },
    syncDir: (path) => nodeDisk.syncDir(path),
  }
}

test('a disk that is full refuses, and works again by itself when the queue has been delivered', async () => {
  const small = process.env['SMALL_DISK']
  if (small) {
    const { blocks, bsize } = await statfs(small)
    expect(blocks * bsize, 'SMALL_DISK is no small file system').toBeLessThan(64 * 2 ** 20)
  }
  const disk = small ? nodeDisk : smallDisk(3_000_000)
  const dir = await mkdtemp(join(small ?? tmpdir(), 'queue-'))
  let isUp = false
  const arrived: Buffer[] = []
  const make = () =>
    new Destination({
      id: 'test',
      dir,
      disk,
      cipher: testCipher(),
      queue: sendingQueue.parse({}),
      retry: retryOnFailure.parse({ initial_interval: '50ms', max_interval: '100ms' }),
      timeoutMs: 1000,
      log: silentLog,
      clock: systemClock,
      counts: new Tally(),
      exporter: {
        send: async ({ body }) => {
          if (!isUp) return { is: 'unavailable', reason: 'test' }
          arrived.push(Buffer.from(body))
          return { is: 'accepted' }
        },
        close: async () => {},
      },
    })
  let destination = make()
  try {
    await destination.start()
    const acknowledged: string[] = []
    const offer = (i: number) => destination.offer(parcel(request(`r${i};${'x'.repeat(20_000)}`)))
    let refused: string | undefined
    for (let i = 0; !refused; i++) {
      await offer(i).then(
        () => acknowledged.push(`r${i};`),
        (refusal) => (refused = refusal.reason),
      )
    }
    expect(refused).toBe('failing')
    expect(destination.state().diskFailing).toBe('ENOSPC')
    // A restart on the full disk.
    await destination.stop(0)
    destination = make()
    await destination.start()
    isUp = true
    await expect.poll(() => destination.state().queuedBatches, { timeout: 20_000 }).toBe(0)
    await expect
      .poll(
        () =>
          offer(1_000_000).then(
            () => 'taken',
            () => 'refused',
          ),
        { timeout: 20_000 },
      )
      .toBe('taken')
    await destination.stop(5000)
    const all = Buffer.concat(arrived)
    for (const text of [...acknowledged, 'r1000000;']) expect(all.includes(text)).toBe(true)
    expect(acknowledged.length).toBeGreaterThan(50)
  } finally {
    await rm(dir, { recursive: true })
  }
}, 60_000)
