/** The command line as commander knows it: every verb, its options, its help. Nothing runs here. */
import { Command } from 'commander'
import { apiKeysCommand } from './api_keys.ts'
import { backupCommand } from './backup.ts'
import { clocksCommand } from './clocks.ts'
import { version } from './common.ts'
import { decryptCommand } from './decrypt.ts'
import { describeCommands } from './describe.ts'
import { explainCommand } from './explain.ts'
import { keysCommand } from './keys.ts'
import { meterCommand } from './meter.ts'
import { queryCommand } from './query.ts'
import { replayCommand } from './replay.ts'
import { residencyCommand } from './residency.ts'
import { retentionCommand } from './retention.ts'
import { runCommand } from './run.ts'
import { scanCommand } from './scan.ts'
import { setAsideCommands } from './set_aside.ts'
import { statusCommand } from './status.ts'
import { storeCommand } from './store_roles.ts'
import { subjectCommand } from './subject.ts'
import { teach } from './teach.ts'

export function makeProgram(): Command {
  const program = new Command('douane')
    .description(
      'A log gateway for OTLP: takes out what nobody needs, seals what few may read, and keeps each record where its ' +
        "customer's residency policy says.",
    )
    .version(version)
    .showHelpAfterError('(douane --help lists the verbs; douane VERB --help explains one)')
    .addHelpText(
      'after',
      '\nBegin with `douane run`, which needs no configuration, or with `douane explain --help`.\n' +
        'Ends with 0: done, 1: wrong input or configuration, 2: wrong usage, 3: something that is\n' +
        'needed cannot be reached, 70: a defect of ours. More in docs/cli.md.',
    )
    .exitOverride()
  for (const mount of [
    runCommand,
    describeCommands,
    explainCommand,
    scanCommand,
    replayCommand,
    queryCommand,
    meterCommand,
    storeCommand,
    retentionCommand,
    backupCommand,
    subjectCommand,
    statusCommand,
    clocksCommand,
    decryptCommand,
    keysCommand,
    apiKeysCommand,
    setAsideCommands,
    residencyCommand,
  ])
    mount(program)
  teach(program)
  return program
}
