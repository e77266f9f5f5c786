/**
 * What `--help` teaches beyond options: in which group a verb stands, and examples that can be pasted.
 * A test parses every example with the options that there are, and wants one for every verb.
 */
import type { Command } from 'commander'

/** Verbs by what somebody wants to do, each with its line in `douane --help`, in the order of a newcomer's needs. */
export const verbGroups: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'Run a gateway:': {
    run: 'run the gateway until SIGINT or SIGTERM',
    status: 'what became of every record, by tenant',
    clocks: 'whose clocks are off, and by how much',
  },
  'Try things out, without sending anything:': {
    validate: 'check a configuration; tells every problem at once',
    explain: 'what each step does to a sample, and who gets what',
    replay: 'run captured requests through the chain',
    scan: 'what personal data and secrets a log file holds',
  },
  'See what is built in:': {
    components: 'receivers, processors, exporters, extensions',
    'print-config': 'what is in force, secrets left out',
    schema: 'JSON schema of the configuration, for editors',
  },
  'Read what was stored:': {
    query: 'read records back from a PostgreSQL store',
    meter: 'count records by tenant and event, for invoices',
    store: 'who may read what is stored',
    decrypt: 'open sealed values; every reading is written down',
  },
  'Show where records may go, and went:': {
    residency: 'the map, the proof, the report',
  },
  'Look after what is kept:': {
    retention: 'what is deleted when, and what was; legal holds',
    backup: 'backups of stores: make, check, restore, delete',
    subject: 'what is kept about one person; erase it',
    quarantine: 'records that no rule gives a way out',
    'dead-letters': 'batches that a destination refused for good',
  },
  'Keys:': {
    keys: 'keys that open what was sealed',
    'api-keys': 'keys of senders',
  },
}

type Example = readonly [command: string, what: string]

/** By the words of a verb, without `douane`. */
export const examples: Readonly<Record<string, readonly Example[]>> = {
  run: [
    ['douane run', 'the quickstart: two stores, three tenants, on this machine only'],
    ['douane run --config gateway.yaml --data-dir /var/lib/douane', 'your own configuration'],
    ['douane run --config base.yaml --config production.yaml', 'what the second file says counts'],
    ['kill -HUP PID', 'read the configuration again; a wrong one is refused, and the old one goes on'],
  ],
  validate: [
    ['douane validate --config gateway.yaml', 'ends with 0, or with 1 and every problem with its place and fix'],
    ['douane validate --config base.yaml --config production.yaml', 'as `run` would read them'],
  ],
  components: [
    ['douane components', 'every receiver, processor, connector, exporter and extension'],
    ['douane components --format json', 'for programs'],
  ],
  'print-config': [
    ['douane print-config --config gateway.yaml', 'what is in force, defaults included; secrets are not shown'],
  ],
  schema: [
    ['douane schema > douane.schema.json', 'for completion in an editor'],
    ['douane schema --policy > residency.schema.json', 'the same for residency.yaml'],
  ],
  explain: [
    ["echo 'login of jane@example.com failed' | douane explain --tenant acme", 'one line of text'],
    ['douane explain --config gateway.yaml sample.json', 'a request as OTLP/JSON'],
    ['douane explain --format json sample.json', 'for programs'],
    [`douane explain --tenant acme --path 'log.attributes["user.id"]'`, 'the rules in force for a field'],
  ],
  scan: [
    ['douane scan app.log', 'one JSON line a line: what was found, where, never the value'],
    ['douane scan --format table app.log.gz', 'counts by type, and by path in JSON and OTLP/JSON'],
    ['kubectl logs deploy/shop | douane scan --fail-on-findings', 'ends with 1 when something was found'],
    ['douane scan --format sarif --fail-on-findings secret logs/*.jsonl > scan.sarif', 'for code scanning in CI'],
  ],
  replay: [['douane replay --config gateway.yaml capture.jsonl > out.jsonl', 'what each captured request leads to']],
  query: [
    ['douane query --store postgres/eu_de --tenant acme --since 1h', 'the last hour of one customer'],
    ['douane query --store postgres/eu_de --as helpdesk --since 1d', 'what this reader may see'],
    [
      "douane query --store postgres/eu_de --decrypt --reason 'ticket 4711' --trace-id 5b8efff798038103d269b633813fc60c",
      'opened',
    ],
    ["douane query --store postgres/eu_de --where 'log.severity_number >= SEVERITY_NUMBER_ERROR'", 'errors only'],
    ['douane query --store postgres/eu_de --format json | jq .body', 'one JSON object a line'],
  ],
  meter: [
    ['douane meter --month 2026-11 --purpose billing', 'what each customer did in a month'],
    ['douane meter --tenant acme --by day --format csv > acme.csv', 'for a spreadsheet'],
  ],
  'store roles list': [['douane store roles list', 'for a review of access']],
  'store roles add': [
    ['douane store roles add helpdesk --store postgres/eu_de --purpose support', 'all tenants, one purpose'],
    ['douane store roles add acme --store postgres/eu_de --tenant acme --login', 'a password for Grafana or psql'],
  ],
  'store roles remove': [['douane store roles remove helpdesk --store postgres/eu_de', 'reads no more']],
  status: [
    ['douane status', 'the account of the gateway on .douane'],
    ['douane status --data-dir /var/lib/douane --format json', 'for programs'],
  ],
  clocks: [
    ['douane clocks', 'sources whose clock is off, and by how much'],
    ['douane clocks --all --tenant acme', 'all sources of one customer'],
  ],
  decrypt: [
    [
      "douane query --store postgres/eu_de --tenant acme --format json | douane decrypt --reason 'ticket 4711'",
      'who read what, and why, is written down first',
    ],
  ],
  'keys init': [
    ['DOUANE_KEYS_PASSPHRASE=… douane keys init', 'a new key folder'],
    ['douane keys init --providers providers.yaml', 'with private keys guarded by Vault, an HSM or a cloud'],
    ['douane keys init --tenant acme --region eu-de --retention 18mo --periods 6', 'keys ahead of time'],
  ],
  'keys list': [['douane keys list', 'for whom, which period, in which state']],
  'keys providers': [['douane keys providers', 'a canary there and back with each; how long it took, or what to do']],
  'keys rewrap': [['douane keys rewrap', 'after wrap_with was changed in providers.yaml']],
  'keys rotate': [
    ['douane keys rotate --tenant acme --region eu-de --retention 18mo', 'a new key now'],
    ['douane keys rotate --hash', 'hashes from now on do not join with those from before'],
    ['douane keys rotate --queue --config gateway.yaml', 'files of queues that are begun from now on get another key'],
  ],
  'keys destroy': [
    ["douane keys destroy --expired --reason 'retention is over'", 'lists what would be destroyed'],
    ["douane keys destroy --tenant acme --reason 'contract ended' --yes", 'does it; it cannot be undone'],
  ],
  'keys export-bundle': [['douane keys export-bundle --out bundle.json', 'for gateways that hold no private key']],
  'keys verify-bundle': [['douane keys verify-bundle bundle.json --trust ed25519:…', 'before it is rolled out']],
  'keys index': [
    [
      'douane keys index --tenant acme --field \'log.attributes["order"]\' A-4711',
      'what to look for in douane.index.… of this month',
    ],
  ],
  'keys check': [['douane keys check', 'run it daily: a lost key shows today and not when it is needed']],
  'keys audit verify': [['douane keys audit verify --witness checkpoint.txt', 'nobody changed the access log']],
  'keys audit show': [['douane keys audit show | tail -5', 'the last five who opened something']],
  'keys audit checkpoint': [['douane keys audit checkpoint > checkpoint.txt', 'keep it on another machine']],
  'api-keys add': [['douane api-keys add shop --tenant acme --expires 2030-01-01', 'prints the key, once']],
  'api-keys list': [['douane api-keys list', 'ids, names, tenants, expiry']],
  'api-keys remove': [['douane api-keys remove k-7f3a', 'running gateways refuse it within seconds']],
  'quarantine list': [['douane quarantine list', 'how many, and whose']],
  'quarantine release': [['douane quarantine release', 'after the missing tenant was added to residency.yaml']],
  'quarantine purge': [['douane quarantine purge', 'they are gone for good']],
  'dead-letters list': [['douane dead-letters list --destination otlp_http/a', 'what one destination refused']],
  'dead-letters inspect': [['douane dead-letters inspect 0193…', 'why, when, whose, and its shape without any values']],
  'dead-letters retry': [['douane dead-letters retry --destination otlp_http/a', 'once the destination is repaired']],
  'dead-letters purge': [['douane dead-letters purge 0193…', 'one batch; without ids all']],
  'residency map': [
    ['douane residency map', 'who may go where'],
    ['douane residency map --format svg > map.svg', 'as a picture'],
  ],
  'residency report': [
    ['douane residency report --tenant acme --since 30d', 'what really went where'],
    ['douane residency report --tenant acme --out acme.jsonl', 'with proofs, for somebody who does not trust us'],
  ],
  'residency verify': [
    ['douane residency verify acme.jsonl --trust ed25519:…', 'a report that somebody gave you'],
    ['douane residency verify', 'the whole ledger of this data directory'],
  ],
  'backup run': [['douane backup run', 'now, whatever the schedule says']],
  'backup list': [['douane backup list', 'which there are, until when they are kept']],
  'backup verify': [
    ['douane backup verify', 'opens the newest of each store; run it now and then'],
    ['douane backup verify --sealed', 'without keys: all parts are there, and nobody changed one'],
  ],
  'backup restore': [
    [
      "douane backup restore --store postgres/eu_de --reason 'the disk is gone'",
      'the newest, into a new data directory',
    ],
    [
      "douane backup restore 20261121T010000Z-3f9a1c --store postgres/eu_de --database look --reason 'case 17'",
      'into a database beside the store',
    ],
  ],
  'backup prune': [['douane backup prune', 'deletes what is due']],
  'backup keys': [['douane backup keys', 'on the decrypt side: what to write as `recipient`']],
  'subject find': [
    ["douane subject find --tenant acme --id jane --reason 'case 17'", 'which references, how many records where'],
  ],
  'subject summary': [
    ["douane subject summary --tenant acme --id jane --reason 'case 17'", 'in words that can be sent to her'],
  ],
  'subject export': [
    ["douane subject export --tenant acme --id jane --reason 'case 17'", 'all of it, each region in its region'],
    ["echo jane | douane subject export --tenant acme --id - --region eu-de --reason 'case 17'", 'of one region only'],
  ],
  'subject rectify': [
    [
      "douane subject rectify --tenant acme --id jane --note 'the login on 3 May was not hers' --reason 'case 17'",
      'queries show that there is a note',
    ],
  ],
  'subject erase': [
    ["douane subject erase --tenant acme --id jane --reason 'case 17'", 'tells what would be erased'],
    ["douane subject erase --tenant acme --id jane --reason 'case 17' --yes", 'does it; it cannot be undone'],
  ],
  'subject readmit': [
    [
      "douane subject readmit --tenant acme --id jane --reason 'a new contract'",
      'for new records; the old stay erased',
    ],
  ],
  'subject list': [
    ['douane subject list', 'ends with 1 if a request is overdue'],
    ['douane subject list --steps', 'every step, as it was signed'],
  ],
  'retention status': [['douane retention status', 'by store and purpose; ends with 1 if anything is overdue']],
  'retention run': [
    ['douane retention run --dry-run', 'only tells what would be deleted'],
    ['douane retention run', 'deletes what is due'],
  ],
  'retention receipts': [['douane retention receipts', 'what was deleted, signed']],
  'retention hold add': [
    ["douane retention hold add --tenant acme --reason 'case 17' --until 2027-01-31", 'nothing of acme is deleted'],
  ],
  'retention hold list': [['douane retention hold list', 'all, also those that have ended']],
  'retention hold end': [['douane retention hold end 3 --store postgres/eu_de', 'deletion goes on']],
  'residency check': [
    ['douane residency check --config gateway.yaml', 'ends with 1 and the path that breaks the policy'],
  ],
}

/** Groups, examples, and settings that commands do not inherit when they are made elsewhere. */
export function teach(program: Command): void {
  program.commandsGroup('Help:').helpCommand('help [verb]', 'the same as VERB --help')
  for (const command of program.commands) {
    for (const [group, verbs] of Object.entries(verbGroups)) {
      const line = verbs[command.name()]
      if (line !== undefined) command.helpGroup(group).summary(line)
    }
  }
  for (const [words, command] of verbsOf(program)) {
    command.copyInheritedSettings(command.parent ?? program)
    const lines = examples[words] ?? []
    const text = lines.map(([example, what]) => `  ${example}\n      ${what}`).join('\n')
    if (lines.length > 0) command.addHelpText('after', `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${text}`)
  }
}

/** Every command with its words, those that only hold others included. */
export function verbsOf(command: Command, before: readonly string[] = []): [words: string, command: Command][] {
  return command.commands.flatMap((one) => {
    const words = [...before, one.name()]
    return [[words.join(' '), one] as [string, Command], ...verbsOf(one, words)]
  })
}
