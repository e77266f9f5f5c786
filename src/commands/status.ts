/** `douane status`: the live account of a running gateway, once or again and again. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import Table from 'cli-table3'
import type { Command } from 'commander'
import { request } from 'undici'
import { ConfigError, DependencyError, DouaneError } from '../errors.ts'
import type { AccountLine, GatewayStatus } from '../status.ts'
import { positiveInteger, withConfig, withDataDir, withFormat } from './common.ts'

interface StatusOptions {
  readonly dataDir: string
  readonly format: 'table' | 'json'
  /** Seconds between two looks; true: the default. */
  readonly watch?: number | true
}

const watchSeconds = 2
/** Moves to the upper left corner and clears what is below: what scrolled away before stays readable. */
const clearScreen = '\x1b[H\x1b[J'

export function statusCommand(program: Command): void {
  const command = program
    .command('status')
    .description(
      'the live account per tenant: received = stored + dropped + rejected + quarantined + dead-lettered + lost + in flight',
    )
  command.option(
    '--watch [seconds]',
    `again and again, every ${watchSeconds} seconds or as often as named`,
    positiveInteger(3600),
  )
  withFormat(withDataDir(withConfig(command)), ['table', 'json']).action(async (options: StatusOptions) => {
    const { watch } = options
    const isScreen = watch !== undefined && options.format === 'table' && process.stdout.isTTY
    for (;;) {
      const status = (await askGateway(options.dataDir, '/v1/status')) as GatewayStatus
      const text = options.format === 'json' ? JSON.stringify(status) : statusTable(status)
      process.stdout.write(`${isScreen ? clearScreen : ''}${text}\n`)
      if (watch === undefined) return
      await setTimeout((watch === true ? watchSeconds : watch) * 1000)
    }
  })
}

/** Asks the gateway that runs on this data directory. `post`: changes something, with what is given. */
export async function askGateway(dataDir: string, path: string, post?: object): Promise<unknown> {
  const endpoint = adminEndpoint(dataDir)
  const options = post && {
    method: 'POST' as const,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(post),
    headersTimeout: 0,
  }
  try {
    const { statusCode, body } = await request(`http://${endpoint}${path}`, options)
    const answer = (await body.json()) as { error?: string; fix?: string }
    if (statusCode === 200) return answer
    const { error = 'no reason', fix } = answer
    // What was asked for is not there, against: it cannot be done now.
    if (statusCode < 500) throw new ConfigError(`The gateway refused: ${error}.`, [], fix)
    throw new DependencyError(`The gateway could not do it: ${error}.`, fix)
  } catch (error) {
    if (error instanceof DouaneError) throw error
    throw new DependencyError(
      `No gateway answers at ${endpoint}.`,
      'Start it with `douane run`, or name its data directory with --data-dir.',
    )
  }
}

function adminEndpoint(dataDir: string): string {
  const file = join(dataDir, 'gateway.json')
  let endpoint: string | undefined
  try {
    endpoint = JSON.parse(readFileSync(file, 'utf8')).endpoints.admin
  } catch {
    throw new DependencyError(
      `${file} cannot be read: no gateway has run on this data directory.`,
      'Start one with `douane run`, or name its data directory with --data-dir.',
    )
  }
  if (endpoint === undefined) {
    throw new DependencyError(
      'The gateway on this data directory has no admin API.',
      'Add `admin: {}` to extensions and to service.extensions.',
    )
  }
  return endpoint
}

const columns = [
  'received',
  'stored',
  'dropped',
  'rejected',
  'quarantined',
  'dead_lettered',
  'lost',
  'in_flight',
] as const

function statusTable(status: GatewayStatus): string {
  const tenants = new Table({ head: ['tenant', ...columns.map((name) => name.replace('_', ' '))], style: plain })
  const row = (name: string, line: AccountLine) =>
    tenants.push([name, ...columns.map((column) => String(line[column]))])
  for (const [tenant, line] of Object.entries(status.tenants)) row(tenant === '' ? '(unknown)' : tenant, line)
  row('total', status.total)
  const destinations = new Table({
    head: ['destination', 'queued', 'bytes', 'oldest', 'in/s', 'out/s', 'retries', 'breaker', 'dead letters'].concat(
      'last failure',
    ),
    style: plain,
  })
  for (const [id, state] of Object.entries(status.destinations)) {
    destinations.push([
      id,
      String(state.queuedRecords),
      String(state.queuedBytes),
      `${Math.round(state.oldestAgeMs / 1000)} s`,
      String(Math.round(state.queuedPerSecond)),
      String(Math.round(state.storedPerSecond)),
      state.retrying === 0 ? String(state.retries) : `${state.retries} (${state.retrying} waiting)`,
      state.breaker,
      String(state.deadLetters.records),
      state.lastFailure ?? '',
    ])
  }
  return [tenants, destinations, ...workersTable(status)].join('\n')
}

function workersTable({ workers }: GatewayStatus): Table.Table[] {
  if (workers === undefined) return []
  const table = new Table({ head: ['worker', 'process', 'restarts'], style: plain })
  for (const { worker, pid, running, restarts } of workers) {
    table.push([String(worker), running ? String(pid) : 'starts again', String(restarts)])
  }
  return [table]
}

/** cli-table3 colours heads by default; piped output must stay plain. */
const plain = process.stdout.isTTY ? {} : { head: [], border: [] }
