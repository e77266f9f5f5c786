/**
 * Deletes backups that have been kept for as long as was asked for, the parts of others whose rows are due, and what
 * interrupted backups left.
 *
 * A purpose that has been made shorter since ends its parts sooner. A clock that jumps must not delete early: a run
 * goes at most a day further than the one before; if the clock asks for more, it stays there until somebody confirms.
 */
import { limits } from '../limits.ts'
import { parseRetention, retentionEndMs } from '../units.ts'
import { isDue, type Manifest, manifestName, type PurposeRetention } from './manifest.ts'
import { begunMs, ifKeyError, type Shelf } from './shelf.ts'

export interface PruneOptions {
  readonly nowMs: number
  readonly purposeRetention: PurposeRetention
  /** Somebody has checked the clock. */
  readonly confirmed?: boolean
}

export interface PruneReport {
  /** Whole backups. */
  backups: number
  /** Parts of backups that stay. */
  parts: number
  unfinished: number
  /** Left alone: another gateway's, or changed. They go when the longest time that a backup can be kept is over. */
  unread: number
  heldBack: boolean
}

const dayMs = 86_400_000
const keptMax = parseRetention(limits.backupKeptMax)

export async function pruneBackups(shelf: Shelf, options: PruneOptions): Promise<PruneReport> {
  const { asOfMs, heldBack } = await guard(shelf, options)
  const report: PruneReport = { backups: 0, parts: 0, unfinished: 0, unread: 0, heldBack }
  for (const [id, objects] of await shelf.objects()) {
    if (!objects.has(manifestName)) {
      if (begunMs(id)! + limits.backupUnfinishedMsMax > asOfMs) continue
      await removeAll(shelf, id, objects)
      report.unfinished++
      continue
    }
    const manifest = await shelf.manifest(id).catch(ifKeyError)
    const keptUntilMs = manifest ? Date.parse(manifest.kept_until) : retentionEndMs(begunMs(id)!, keptMax)
    if (keptUntilMs <= asOfMs) {
      await removeAll(shelf, id, objects)
      report.backups++
    } else if (manifest) report.parts += await removeDue(shelf, manifest, objects, asOfMs, options)
    else report.unread++
  }
  await shelf.notePruned(asOfMs, heldBack)
  return report
}

/** To which time deletion counts, and whether that is earlier than the clock. */
async function guard(shelf: Shelf, { nowMs, confirmed }: PruneOptions): Promise<{ asOfMs: number; heldBack: boolean }> {
  const last = await shelf.pruned()
  const lastMs = last ? Date.parse(last.as_of) : nowMs
  if (confirmed || nowMs - lastMs <= limits.backupClockStepMsMax) return { asOfMs: nowMs, heldBack: false }
  return { asOfMs: last!.held_back ? lastMs : lastMs + dayMs, heldBack: true }
}

/** The manifest first: what is left of it then is no backup. */
async function removeAll(shelf: Shelf, id: string, objects: ReadonlySet<string>): Promise<void> {
  if (objects.has(manifestName)) await shelf.remove(id, manifestName)
  for (const name of objects) if (name !== manifestName) await shelf.remove(id, name)
}

async function removeDue(
  shelf: Shelf,
  manifest: Manifest,
  objects: ReadonlySet<string>,
  asOfMs: number,
  { purposeRetention }: PruneOptions,
): Promise<number> {
  let removed = 0
  for (const part of manifest.parts) {
    if (!objects.has(part.name) || !isDue(part, asOfMs, purposeRetention)) continue
    await shelf.remove(manifest.id, part.name)
    removed++
  }
  return removed
}
