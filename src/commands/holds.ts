/** `douane retention hold …`: records that somebody must keep, why, and until when. */
import { type Command, InvalidArgumentError } from 'commander'
import { addHold, endHold, type Hold, listHolds } from '../../exporters/postgres/legal_holds.ts'
import { withStore } from '../../exporters/postgres/session.ts'
import { ConfigError, exitCodes } from '../errors.ts'
import { checkedReason, currentUser } from '../keys/decrypt.ts'
import { holdProblems, type ShownHold, signHold } from '../signed_holds.ts'
import { loadAccepted, momentMs, withConfig, withDataDir } from './common.ts'
import { storeOf, storesOf } from './stores.ts'

interface Flags {
  readonly config?: string[]
  readonly dataDir: string
  readonly store?: string
}
interface AddFlags extends Flags {
  readonly tenant?: string
  readonly purpose?: string
  readonly subject?: string
  readonly everything?: boolean
  readonly reason: string
  readonly until: Date
  readonly who?: string
}

const print = (store: string, hold: Hold): void => void process.stdout.write(`${JSON.stringify({ store, ...hold })}\n`)

/** Times as texts, as they are signed. */
const shown = (hold: Hold): ShownHold => JSON.parse(JSON.stringify(hold))

export function holdCommands(hold: Command): Command {
  hold.description('legal holds: what matches one is not deleted until it ends')
  withWhere(hold.command('add').description('in every store, or in one'), 'only in this store')
    .option('--tenant <tenant>', 'records of this tenant')
    .option('--purpose <purpose>', 'rows kept for this purpose')
    .option('--subject <ref>', 'records whose subject_ref is this')
    .option('--everything', 'all records: needed where nothing narrows it')
    .requiredOption('--reason <text>', 'why, such as the number of the case')
    .requiredOption('--until <time>', 'when it ends by itself: 2027-01-31 or 2027-01-31T12:00:00Z', endOf)
    .option('--who <name>', 'who asks for it, where the system user is not the person')
    .action(add)
  withWhere(
    hold.command('list').description('all, also those that have ended; ends with 1 if one was changed'),
    'only of this store',
  ).action(async ({ config, dataDir, store }: Flags) => {
    for (const place of storesOf(loadAccepted(config), dataDir, store)) {
      const holds = await withStore(place, listHolds)
      for (const each of holds) print(place.id, each)
      for (const problem of await holdProblems(dataDir, place.id, holds.map(shown))) {
        process.stderr.write(`${problem}\n`)
        process.exitCode = exitCodes.input
      }
    }
  })
  withWhere(hold.command('end <id>').description('ends it now'), 'of which store')
    .option('--who <name>', 'who ends it, where the system user is not the person')
    .action(async (id: string, { config, dataDir, store, who }: Flags & { who?: string }) => {
      if (!/^[1-9]\d{0,17}$/.test(id)) throw new ConfigError('the id of a hold is a number', [], 'See `hold list`.')
      const place = storeOf(loadAccepted(config), dataDir, store)
      const ended = await withStore(place, (client, schema) => endHold(client, schema, id, currentUser(who)))
      if (!ended) throw new ConfigError(`${place.id} has no hold ${id} that goes on`, [], 'See `hold list`.')
      await signHold(dataDir, place.id, 'ended', shown(ended))
      print(place.id, ended)
    })
  return hold
}

const withWhere = (command: Command, which: string): Command =>
  withDataDir(withConfig(command)).option('--store <id>', `${which}, by the exporter's id`)

async function add(flags: AddFlags): Promise<void> {
  const { tenant, purpose, subject, everything = false, until } = flags
  const scope = {
    ...(tenant !== undefined && { tenant }),
    ...(purpose !== undefined && { purpose }),
    ...(subject !== undefined && { subject }),
  }
  if (everything !== (Object.keys(scope).length === 0)) {
    throw new ConfigError(
      'a hold is either for something or for everything',
      [],
      'Give --tenant, --purpose or --subject, or --everything alone.',
    )
  }
  const reason = checkedReason(flags.reason)
  for (const place of storesOf(loadAccepted(flags.config), flags.dataDir, flags.store)) {
    const hold = { ...scope, reason, until, who: currentUser(flags.who) }
    const made = await withStore(place, (client, schema) => addHold(client, schema, hold))
    await signHold(flags.dataDir, place.id, 'made', shown(made))
    print(place.id, made)
  }
}

function endOf(text: string): Date {
  const until = new Date(momentMs(text))
  if (until.getTime() > Date.now()) return until
  throw new InvalidArgumentError('It is a time to come: 2027-01-31 or 2027-01-31T12:00:00Z.')
}
