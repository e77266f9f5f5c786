/** `douane subject …`: what is kept about one person: found, told, given, corrected, erased. */
import Table from 'cli-table3'
import type { Command } from 'commander'
import { groupRows } from '../../exporters/postgres/people.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { ConfigError, exitCodes } from '../errors.ts'
import { readmitSubject } from '../keys/erasure.ts'
import { openKeyHolder } from '../keys/operations.ts'
import { erase, openErasure } from '../subjects/erase.ts'
import { type ExportFormat, exportRows } from '../subjects/export.ts'
import { rectify } from '../subjects/rectify.ts'
import { type RequestEntry, readRequests, readSteps, verifyRequests } from '../subjects/register.ts'
import { begin, type Request } from '../subjects/request.ts'
import { summarize, summaryText } from '../subjects/summary.ts'
import { withDataDir, withFormat } from './common.ts'
import { keyOptions, keysDirOf } from './key_place.ts'
import { askedOf, passphrase, print, type SubjectFlags, withPerson } from './subject_flags.ts'

export function subjectCommand(program: Command): void {
  const subject = program.command('subject').description('requests of people: what is kept about one, in all stores')
  withPerson(subject.command('find').description('which references a person has, and how many records where')).action(
    find,
  )
  withFormat(
    withPerson(subject.command('summary').description('what is kept about a person, why and until when, in words')),
    ['text', 'json'],
    'text',
  ).action(summary)
  withFormat(
    withPerson(subject.command('export').description("everything about a person, each region's in its region")),
    ['jsonl', 'otlp'],
    'jsonl',
  ).action(exportAll)
  withPerson(subject.command('rectify').description('store a note beside a person’s records, and lead to it from each'))
    .requiredOption('--note <text>', 'what is right')
    .action(correct)
  withPerson(subject.command('erase').description('destroy a person’s keys and delete his records, everywhere'))
    .option('--yes', 'do it; without it only tells what would be erased')
    .action(eraseAll)
  withPerson(subject.command('readmit').description('let an erased person have keys again, for new records')).action(
    readmit,
  )
  withFormat(withDataDir(subject.command('list').description('all requests, and which are due')), ['table', 'json'])
    .option('--steps', 'every step of every request, as it was signed')
    .action(list)
}

const recordsIn = (request: Request) =>
  Promise.all(
    request.stores.map(async (store) => {
      const groups = await withStore(store, (client, schema) => groupRows(client, schema, request.rows))
      return { store: store.id, region: store.region, records: groups.reduce((sum, { records }) => sum + records, 0) }
    }),
  )

async function find(flags: SubjectFlags): Promise<void> {
  const request = await begin(await askedOf(flags), 'find')
  for (const { ref, madeMs, state, keysFolder } of request.found) {
    print({ subject_ref: ref, made: new Date(madeMs).toISOString(), state, keys: keysFolder })
  }
  const found = await recordsIn(request)
  for (const each of found) print(each)
  await request.keep('done', 'found', { records: found.reduce((sum, { records }) => sum + records, 0) })
}

async function summary(flags: SubjectFlags & { format: string }): Promise<void> {
  const request = await begin(await askedOf(flags), 'summary')
  const kept = await summarize(request)
  if (flags.format === 'json') for (const each of kept) print(each)
  else {
    const regions = [...new Set(request.stores.map(({ region }) => region))]
    process.stdout.write(summaryText(kept, request.asked.config, regions))
  }
  await request.keep('done', 'told', { records: kept.reduce((sum, { records }) => sum + records, 0) })
}

async function exportAll(flags: SubjectFlags & { format: ExportFormat }): Promise<void> {
  const request = await begin(await askedOf(flags), 'export')
  const exported = await exportRows(request, { ...(await keyOptions(flags)), format: flags.format })
  for (const each of exported) print({ request: request.head.request, ...each })
  await request.keep('done', 'exported all', { records: exported.reduce((sum, { records }) => sum + records, 0) })
}

async function correct(flags: SubjectFlags & { note: string }): Promise<void> {
  const request = await begin(await askedOf(flags), 'rectify')
  const done = await rectify(request, flags.note, passphrase())
  for (const each of done) print({ request: request.head.request, ...each })
  await request.keep('done', 'rectified all', { records: done.reduce((sum, { marked }) => sum + marked, 0) })
}

async function eraseAll(flags: SubjectFlags & { yes?: boolean }): Promise<void> {
  const asked = await askedOf(flags)
  if (!flags.yes) {
    const request = await begin(asked, 'find')
    for (const each of await recordsIn(request)) print({ would_erase: true, ...each })
    await request.keep('done', 'found', { keys: request.rows.refs.length })
    process.stderr.write(`${request.rows.refs.length} keys; nothing was erased: add --yes\n`)
    return
  }
  if (asked.regions) {
    throw new ConfigError('a person is erased in all regions at once', [], 'Leave out --region: keys hold everywhere.')
  }
  const holder = await openKeyHolder(keysDirOf(flags), await keyOptions(flags))
  const request = await begin(asked, 'erase', await openErasure(asked))
  const erasure = await erase(request, holder.signer)
  const { request: id, due } = request.head
  if (erasure.is === 'held') {
    for (const hold of erasure.holds) print({ request: id, held: hold })
    process.stderr.write(`nothing was erased: legal holds keep records. Due ${due}; erase again when they have ended\n`)
    process.exitCode = exitCodes.input
    return
  }
  for (const each of erasure.stores) print({ request: id, ...each })
  print({ request: id, status: 'done', keys_destroyed: erasure.keys, asked: request.head.asked, due })
}

async function readmit(flags: SubjectFlags): Promise<void> {
  const { person, gatewayKeys, reason, who, nowMs } = await askedOf(flags)
  const dir = keysDirOf(flags)
  const { signer } = await openKeyHolder(dir, await keyOptions(flags))
  const keysFolders = [...new Set([dir, ...gatewayKeys])]
  for (const receipt of await readmitSubject(person, {
    dir,
    signer,
    keysFolders,
    reason,
    nowMs,
    ...(who && { who }),
  })) {
    print(receipt)
  }
}

type ListFlags = { readonly dataDir: string; readonly format: string; readonly steps?: boolean }

async function list({ dataDir, format, steps = false }: ListFlags): Promise<void> {
  const requests = steps ? await readSteps(dataDir) : await readRequests(dataDir)
  const nowMs = Date.now()
  const lines = requests.map((entry) => ({ ...entry, overdue: isOverdue(entry, nowMs) }))
  if (format === 'json' || steps) for (const line of lines) print(line)
  else process.stdout.write(`${listTable(lines)}\n`)
  if (requests.length === 0) return
  const { ok, problems } = await verifyRequests(dataDir)
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  if (!ok || (!steps && lines.some(({ overdue }) => overdue))) process.exitCode = exitCodes.input
}

const isOverdue = ({ status, due }: RequestEntry, nowMs: number): boolean =>
  status !== 'done' && Date.parse(due) <= nowMs

function listTable(requests: readonly (RequestEntry & { overdue: boolean })[]): string {
  const head = ['request', 'kind', 'tenant', 'asked', 'due', 'state', 'reason']
  const table = new Table({ head, style: { head: [], border: [] } })
  for (const { request, kind, tenant, asked, due, status, overdue, reason } of requests) {
    table.push([request, kind, tenant, asked.slice(0, 10), due.slice(0, 10), overdue ? 'OVERDUE' : status, reason])
  }
  return table.toString()
}
