/** `douane residency …`: who may go where, the proof of it, what really went where, and the check of that. */
import type { Command } from 'commander'
import type { ConnectorSection, GatewayConfig } from '../../config/gateway_config.ts'
import { ConfigError, exitCodes } from '../errors.ts'
import { checkResidency, type Proof } from '../residency/check.ts'
import { mapHtml, mapMermaid, mapSvg, mapTable } from '../residency/draw.ts'
import { type ResidencyMap, residencyMap } from '../residency/map.ts'
import { loadAccepted, withConfig, withFormat } from './common.ts'
import { ledgerCommands } from './ledger.ts'

interface Flags {
  readonly config?: string[]
  readonly format: string
}

const drawings: Record<string, (map: ResidencyMap) => string> = {
  table: mapTable,
  mermaid: mapMermaid,
  svg: mapSvg,
  html: mapHtml,
  json: (map) => JSON.stringify(map),
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)

export function residencyCommand(program: Command): void {
  const residency = program.command('residency').description('which tenant, which purpose, which region')
  const map = residency.command('map').description('draws the policy: who may go where, for what, in which form')
  withConfig(map).option('--connector <id>', 'which residency connector, where there are several')
  withFormat(map, Object.keys(drawings), 'table').action((flags: Flags & { connector?: string }) => {
    const config = loadAccepted(flags.config)
    print(drawings[flags.format]!(residencyMap(connectorOf(config, flags.connector), config)))
  })
  const check = withConfig(
    residency
      .command('check')
      .description('proves that no path breaks the policy, or tells the path; then it ends with 1'),
  )
  withFormat(check, ['text', 'json'], 'text').action((flags: Flags) => {
    const proof = checkResidency(loadAccepted(flags.config))
    print(flags.format === 'json' ? JSON.stringify(proof) : proofText(proof))
    if (!proof.holds) process.exitCode = exitCodes.input
  })
  ledgerCommands(residency)
}

function connectorOf({ connectors }: GatewayConfig, id: string | undefined): ConnectorSection {
  const all = [...connectors.values()]
  const [first] = id === undefined ? all : all.filter((one) => one.id === id)
  if (first !== undefined && (id !== undefined || all.length === 1)) return first
  throw new ConfigError(
    all.length === 0 ? 'the configuration has no residency connector' : 'which residency connector?',
    ['connectors'],
    all.length === 0
      ? 'Add connectors.residency with a policy.'
      : `Name it with --connector: ${[...connectors.keys()].join(', ')}.`,
  )
}

function proofText({ holds, policies, paths, rests, local, offences }: Proof): string {
  const lines = policies.map(
    ({ connector, version, tenants, purposes }) =>
      `${connector}: policy ${version}, ${tenants} tenants and everybody else, for ${purposes.join(', ')}`,
  )
  lines.push('Ways out:')
  for (const { steps, jurisdictions } of paths) lines.push(`  ${steps.join(' → ')} (${jurisdictions.join(', ')})`)
  lines.push(`Encrypted on this machine on the way: ${rests.join(', ')}.`)
  if (local.length > 0) lines.push(`Sends nothing: ${local.join(', ')}.`)
  lines.push("The gateway's own logs and metrics hold counts, codes and names of tenants, never payload.")
  lines.push(holds ? 'holds: no way leads where a record may not be' : 'broken:')
  for (const offence of offences) lines.push(`  ${offence}`)
  return lines.join('\n')
}
