/** `douane residency report` and `verify`: what really went where, and the check of it. */

import { once } from 'node:events'
import { createWriteStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Table from 'cli-table3'
import type { Command } from 'commander'
import { ConfigError, DependencyError, exitCodes } from '../errors.ts'
import { signerText } from '../keys/signature.ts'
import { Ledger } from '../ledger/ledger.ts'
import { type ReportLine, writeReport } from '../ledger/report.ts'
import { verifyLedger } from '../verify/ledger.ts'
import { verifyReport } from '../verify/report.ts'
import { momentMs, withDataDir, withFormat } from './common.ts'

interface ReportFlags {
  readonly dataDir: string
  readonly tenant: string
  readonly since?: number
  readonly until?: number
  readonly format: string
  readonly out?: string
}
interface VerifyFlags {
  readonly dataDir: string
  readonly trust?: string
  readonly witness?: string
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const remark = (text: string): void => void process.stderr.write(`${text}\n`)

export function ledgerCommands(residency: Command): void {
  const reporting = residency
    .command('report')
    .description("what of a tenant's records really went where, with proofs that `verify` checks")
    .requiredOption('--tenant <name>', 'whose')
    .option('--since <time>', 'from then on: 2027-01-31T00:00:00Z, or 30d ago as 30d', momentMs)
    .option('--until <time>', 'before then; left out: now', momentMs)
    .option('--out <file>', 'the report with its proofs goes into a file, and the table to stdout')
  withFormat(withDataDir(reporting), ['table', 'json']).action(report)
  const verifying = residency
    .command('verify [report]')
    .description(
      'checks a report; without one, the ledger in the data directory. Ends with 1 where anything was changed',
    )
    .option('--trust <key>', 'who must have signed: ed25519:…, as `residency report` tells on stderr')
    .option('--witness <file>', 'a checkpoint of the ledger that was kept elsewhere')
  withDataDir(verifying).action(verify)
}

async function report(flags: ReportFlags): Promise<void> {
  const query = {
    tenant: flags.tenant,
    sinceMs: flags.since ?? 0,
    untilMs: flags.until ?? Date.now() + 1,
  }
  const ledger = await openLedger(flags.dataDir)
  try {
    const file = flags.out === undefined ? undefined : createWriteStream(flags.out, { mode: 0o600 })
    const isShown = file === undefined && flags.format === 'json'
    const sums = await writeReport(ledger, query, (line) => {
      if (file !== undefined) file.write(`${line}\n`)
      else if (isShown) print(line)
    })
    if (file !== undefined) {
      file.end()
      await once(file, 'finish')
    }
    if (!isShown) print(reportTable(sums))
    remark(`signed by ${signerText(ledger.identity.publicKey)}`)
  } finally {
    await ledger.close()
  }
}

async function openLedger(dataDir: string): Promise<Ledger> {
  const folder = join(dataDir, 'ledger')
  try {
    readFileSync(join(folder, 'log.pem'))
  } catch {
    throw new DependencyError(
      `There is no ledger in ${folder}.`,
      'Name the data directory with --data-dir; a ledger is kept where a residency connector is used.',
    )
  }
  return Ledger.open(folder)
}

function reportTable(lines: readonly ReportLine[]): string {
  const table = new Table({
    head: ['region', 'destination', 'purposes', 'content', 'batches', 'records', 'first', 'last'],
    style: { head: [], border: [] },
  })
  for (const { region, destination, purposes, content, batches, records, first, last } of lines) {
    table.push([region, destination, purposes, content, String(batches), String(records), first, last])
  }
  return table.toString()
}

async function verify(file: string | undefined, flags: VerifyFlags): Promise<void> {
  const verdict = file === undefined ? await verifyWhole(flags) : verifyFile(file, flags)
  print(JSON.stringify(verdict))
  if (!verdict.ok) process.exitCode = exitCodes.input
}

function verifyFile(file: string, { trust, witness }: VerifyFlags) {
  if (witness !== undefined) throw new ConfigError('--witness is for the whole ledger: leave the report out')
  const verdict = verifyReport(text(file).split('\n').slice(0, -1), trust)
  if (trust === undefined)
    remark(`Without --trust the report's own word is taken that ${verdict.key} is the gateway's key.`)
  if (verdict.ok && verdict.notShown !== undefined) remark(`Not shown to be complete: ${verdict.notShown}.`)
  return verdict
}

async function verifyWhole({ dataDir, trust, witness }: VerifyFlags) {
  const ledger = join(dataDir, 'ledger')
  const key = trust ?? (await ownKey(dataDir))
  return verifyLedger(ledger, key, witness === undefined ? undefined : text(witness))
}

async function ownKey(dataDir: string): Promise<string> {
  const ledger = await openLedger(dataDir)
  try {
    return signerText(ledger.identity.publicKey)
  } finally {
    await ledger.close()
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`)
  }
}
