/** What one of several workers runs of a configuration, and where its files lie. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { builtIn } from '../../config/built_in.ts'
import { loadConfig } from '../../config/load.ts'
import { openDataDir, openWorkerPart, partOf, workersIn } from '../../src/data_dir.ts'
import { limits } from '../../src/limits.ts'
import { portionOf } from '../../src/workers/portion.ts'

const folder = mkdtempSync(join(tmpdir(), 'douane-portion-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const text = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } }, max_inflight_body_size: 600MiB } }
exporters: { nop: { sending_queue: { queue_size: 1000, sizer: items, num_consumers: 3 } } }
extensions: { health_check: {}, admin: {} }
service:
  extensions: [health_check, admin]
  telemetry: { metrics: { endpoint: 127.0.0.1:0 }, logs: { level: warn } }
  pipelines: { logs: { receivers: [otlp], exporters: [nop] } }
`
const { config } = loadConfig(['/a.yaml'], { env: {}, registries: builtIn, read: () => text })

test('bounds are divided, what serves for all is left out, the rest is as it was', () => {
  const portion = portionOf(config!, 3)
  expect(portion.exporters.get('nop')!.queue).toMatchObject({ queue_size: 334, num_consumers: 1, sizer: 'items' })
  expect(portion.receivers.get('otlp')!.options.max_inflight_body_size).toBe(200 * 1024 * 1024)
  expect([...portion.extensions.keys()]).toEqual([])
  expect(portion.service.telemetry).toEqual({ metrics: { level: 'none' }, logs: config!.service.telemetry!.logs })
  // However many there are, the largest body fits while another is held.
  const least = portionOf(config!, limits.workersMax).receivers.get('otlp')!.options.max_inflight_body_size
  expect(least).toBe(2 * limits.bodyBytesMax)
})

test('worker 1 has the files of a gateway alone; each has a lock of its own; the root knows who there was', () => {
  const root = openDataDir(folder)
  const [first, second] = [openWorkerPart(folder, 1), openWorkerPart(folder, 2)]
  expect(first.own('queue')).toBe(join(folder, 'queue'))
  expect(second.own('queue')).toBe(join(folder, 'workers', '2', 'queue'))
  expect(second.folder('keys')).toBe(join(folder, 'keys'))
  expect(workersIn(folder).sort()).toEqual([1, 2])
  expect(partOf(folder, 2)).toBe(join(folder, 'workers', '2'))
  expect(() => openDataDir(folder)).toThrow('belongs to a running gateway')
  first.release()
  root.release()
  // A worker that still runs keeps the next gateway out, for as long as one that is ending may take.
  const startMs = performance.now()
  expect(() => openDataDir(folder, 100)).toThrow(`process ${process.pid}`)
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(90)
  second.release()
  openDataDir(folder, 100).release()
})
