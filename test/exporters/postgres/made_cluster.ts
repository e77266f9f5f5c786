/**
 * A cluster that was made before: a copy takes a tenth of the time of `initdb`, which is most of what a short test of a
 * store would cost. The copy does not wait for the disk: no test that uses one pulls the plug.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFile, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openCluster, serverMajor } from '../../../exporters/postgres/cluster.ts'

const run = promisify(execFile)
const maker = join(import.meta.dirname, '../../../exporters/postgres/cluster.ts')

/** Puts a cluster into `folder` (`<data-dir>/postgres`), which is not there yet. */
export async function seedCluster(folder: string): Promise<void> {
  const version = createHash('sha256')
    .update(await readFile(maker))
    .digest('hex')
    .slice(0, 8)
  const template = join(tmpdir(), `douane-test-cluster-${process.getuid?.() ?? ''}-${version}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const copy = () => run('cp', ['-a', join(template, String(serverMajor)), folder])
  await copy().catch(async () => {
    await makeTemplate(template)
    await copy()
  })
}

async function makeTemplate(template: string): Promise<void> {
  const making = `${template}-${process.pid}`
  const { data } = await openCluster(making)
  await appendFile(join(data, 'postgresql.conf'), 'fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n')
  // Another test may have been quicker: its template is as good.
  await rename(making, template).catch(() => rm(making, { recursive: true, force: true }))
}
