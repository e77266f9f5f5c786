/** `douane store roles …`: who may read a store, by row-level security; for reviews of access. */
import Table from 'cli-table3'
import { Command } from 'commander'
import { addReader, listRoles, removeReader } from '../../exporters/postgres/roles.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { ConfigError } from '../errors.ts'
import { currentUser } from '../keys/decrypt.ts'
import { loadAccepted, withConfig, withDataDir, withFormat } from './common.ts'
import { storeOf, storesOf } from './stores.ts'

interface Flags {
  readonly config?: string[]
  readonly dataDir: string
  readonly store?: string
  readonly format: string
}
interface AddFlags extends Flags {
  readonly purpose?: string[]
  readonly tenant?: string[]
  readonly everything?: boolean
  readonly login?: boolean
  readonly who?: string
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]
const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

export function storeCommand(program: Command): void {
  const roles = new Command('roles').description('who may do what in a store: its roles of PostgreSQL')
  withFormat(withWhere(roles.command('list').description('all, and who has been given them')), [
    'table',
    'json',
  ]).action(list)
  withWhere(roles.command('add <name>').description('a reader of some purposes and tenants'))
    .option('--purpose <purpose>', 'only rows kept for this purpose; repeat it', collect)
    .option('--tenant <tenant>', 'only rows of this tenant; repeat it', collect)
    .option('--everything', 'all rows: needed where nothing narrows it')
    .option('--login', 'may log in; the password is shown once')
    .option('--who <name>', 'who asks for it, where the system user is not the person')
    .action(add)
  withWhere(roles.command('remove <name>').description('takes a reader away')).action(remove)
  program.command('store').description('who may read what is stored').addCommand(roles)
}

const withWhere = (command: Command): Command =>
  withDataDir(withConfig(command)).option('--store <id>', "of which store, by the exporter's id")

async function list({ config, dataDir, store, format }: Flags): Promise<void> {
  const table = new Table({
    head: ['store', 'role', 'kind', 'purposes', 'tenants', 'logs in', 'given to'],
    style: { head: [], border: [] },
  })
  for (const place of storesOf(loadAccepted(config), dataDir, store)) {
    for (const each of await withStore(place, listRoles)) {
      if (format === 'json') print({ store: place.id, ...each })
      else {
        const { role, kind, purposes, tenants, login, members } = each
        const all = kind === 'gateway' ? 'none' : 'all'
        const lists = [purposes ?? [all], tenants ?? [all]].map((names) => names.join(', '))
        table.push([place.id, role, kind, ...lists, login ? 'yes' : 'no', members.join(', ')])
      }
    }
  }
  if (format !== 'json') process.stdout.write(`${table}\n`)
}

async function add(name: string, flags: AddFlags): Promise<void> {
  const { purpose: purposes, tenant: tenants, everything = false, login = false } = flags
  if (!/^[a-z][a-z0-9_]{0,30}$/.test(name)) throw new ConfigError('a reader has a name of small letters, digits and _')
  if (everything !== (purposes === undefined && tenants === undefined)) {
    throw new ConfigError(
      'a reader is either for something or for everything',
      [],
      'Give --purpose or --tenant, or --everything alone.',
    )
  }
  const place = storeOf(loadAccepted(flags.config), flags.dataDir, flags.store)
  const reader = { name, ...(purposes && { purposes }), ...(tenants && { tenants }) }
  const how = { who: currentUser(flags.who), login }
  print({ store: place.id, ...(await withStore(place, (client, schema) => addReader(client, schema, reader, how))) })
}

async function remove(name: string, { config, dataDir, store }: Flags): Promise<void> {
  const place = storeOf(loadAccepted(config), dataDir, store)
  if (await withStore(place, (client, schema) => removeReader(client, schema, name))) return
  throw new ConfigError(`${place.id} has no reader ${name}`, [], 'See `douane store roles list`.')
}
