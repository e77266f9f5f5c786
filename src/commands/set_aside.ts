/** `douane quarantine …` and `douane dead-letters …`: what a running gateway set aside, and what becomes of it. */
import Table from 'cli-table3'
import type { Command } from 'commander'
import type { InspectedDeadLetter, QuarantineShown, ShownDeadLetter } from '../admin/set_aside.ts'
import { withDataDir, withFormat } from './common.ts'
import { askGateway } from './status.ts'

interface Place {
  readonly dataDir: string
}
interface Shown extends Place {
  readonly format: 'table' | 'json'
}
interface Which extends Place {
  readonly destination?: string
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const both = ['table', 'json']
const plain = { head: [], border: [] }

export function setAsideCommands(program: Command): void {
  const quarantine = program.command('quarantine').description('records that no rule gives a way out')
  withFormat(withDataDir(quarantine.command('list').description('how many there are, and whose')), both).action(
    async ({ dataDir, format }: Shown) => {
      const state = (await askGateway(dataDir, '/v1/quarantine')) as QuarantineShown
      print(format === 'json' ? JSON.stringify(state) : quarantineTable(state))
    },
  )
  posting(quarantine, 'release', "send all through the chain again; each record follows today's policy")
  posting(quarantine, 'purge', 'delete all')

  const dead = program.command('dead-letters').description('batches that a destination refused for good')
  const listing = dead.command('list').description('all, oldest first, without what is in them')
  withFormat(withDestination(withDataDir(listing)), both).action(
    async ({ dataDir, destination, format }: Shown & Which) => {
      const query = destination === undefined ? '' : `?destination=${encodeURIComponent(destination)}`
      showLetters(await askGateway(dataDir, `/v1/dead-letters${query}`), format)
    },
  )
  const inspecting = dead
    .command('inspect <id>')
    .description('one of them: why, when, whose, and its shape without any values')
  withFormat(withDataDir(inspecting), both).action(async (id: string, { dataDir, format }: Shown) => {
    const answer = await askGateway(dataDir, `/v1/dead-letters/${encodeURIComponent(id)}`)
    showLetters(answer, format)
    if (format === 'table') showOutlines(answer)
  })
  for (const [verb, what] of [
    ['retry', 'send all, or these, to their destinations again, under their own ids'],
    ['purge', 'delete all, or these'],
  ] as const) {
    const command = dead.command(`${verb} [ids...]`).description(what)
    withDestination(withDataDir(command)).action(async (ids: string[], { dataDir, destination }: Which) => {
      const which = { ...(destination !== undefined && { destination }), ...(ids.length > 0 && { ids }) }
      print(JSON.stringify(await askGateway(dataDir, `/v1/dead-letters/${verb}`, which)))
    })
  }
}

const withDestination = (command: Command): Command =>
  command.option('--destination <id>', "those of one exporter, by the exporter's id")

function posting(parent: Command, verb: string, description: string): void {
  withDataDir(parent.command(verb).description(description)).action(async ({ dataDir }: Place) => {
    print(JSON.stringify(await askGateway(dataDir, `/v1/quarantine/${verb}`, {})))
  })
}

function quarantineTable({ records, bytes, oldest, tenants }: QuarantineShown): string {
  const table = new Table({ head: ['tenant', 'records'], style: plain })
  for (const [tenant, count] of Object.entries(tenants)) table.push([tenant || '(unknown)', String(count)])
  return `${records} records, ${bytes} bytes${oldest === null ? '' : `, the oldest since ${oldest}`}\n${table}`
}

function showLetters(answer: unknown, format: Shown['format']): void {
  const letters = (answer as { dead_letters: ShownDeadLetter[] }).dead_letters
  if (format === 'json') {
    for (const letter of letters) print(JSON.stringify(letter))
    return
  }
  const table = new Table({ head: ['destination', 'id', 'dead since', 'records', 'tenants', 'reason'], style: plain })
  for (const { destination, id, dead, records, tenants, reason } of letters) {
    table.push([destination, id, dead, String(records), Object.keys(tenants).join(', '), reason])
  }
  print(table.toString())
}

function showOutlines(answer: unknown): void {
  for (const { outline } of (answer as { dead_letters: InspectedDeadLetter[] }).dead_letters) {
    if (outline === undefined) print('Its content cannot be read.')
    for (const { attributes, records } of outline?.resources ?? []) {
      const table = new Table({ head: ['', 'name', 'what'], style: plain })
      for (const [name, what] of attributes) table.push(['resource', name, what])
      for (const [n, { attributes: own, ...fields }] of records.entries()) {
        for (const [name, what] of [...Object.entries(fields), ...own])
          table.push([`record ${n + 1}`, name, String(what)])
      }
      print(table.toString())
    }
    if (outline !== undefined && outline.more > 0) print(`and ${outline.more} records more`)
  }
}
