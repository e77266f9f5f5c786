/** `douane clocks`: whose clocks are right, as a running gateway sees them. */
import Table from 'cli-table3'
import type { Command } from 'commander'
import type { ClockOfSource, ClockReport } from '../../processors/normalize_clock/report.ts'
import { withConfig, withDataDir, withFormat } from './common.ts'
import { askGateway } from './status.ts'

interface ClocksOptions {
  readonly dataDir: string
  readonly format: 'table' | 'json'
  readonly all?: boolean
  readonly tenant?: string
}

export function clocksCommand(program: Command): void {
  const command = program
    .command('clocks')
    .description('sources with their clock offsets, why they are believed, drift, and the last minutes as a small plot')
    .option('--all', 'healthy sources too')
    .option('--tenant <tenant>', 'only the sources of this tenant')
  withFormat(withDataDir(withConfig(command)), ['table', 'json']).action(async (options: ClocksOptions) => {
    const reports = (await askGateway(options.dataDir, '/v1/clocks')) as Record<string, ClockReport>
    process.stdout.write(
      options.format === 'json' ? `${JSON.stringify(reports)}\n` : `${clocksText(reports, options)}\n`,
    )
  })
}

/** The reports as text, one part a processor. */
export function clocksText(
  reports: Readonly<Record<string, ClockReport>>,
  { all, tenant }: Pick<ClocksOptions, 'all' | 'tenant'>,
  nowMs: number = Date.now(),
): string {
  const parts = Object.entries(reports).map(([name, report]) => {
    const { counts, gateway, more } = report
    const shown = report.sources.filter(
      (one) => (all === true || one.state !== 'healthy') && (tenant === undefined || one.tenant === tenant),
    )
    const lines = [
      `${name}: ${Object.entries(counts)
        .map(([state, count]) => `${count} ${state}`)
        .join(', ')}`,
    ]
    if (gateway.suspect) {
      lines.push(`The gateway's own clock is in doubt; it is taken to be ${span(gateway.behindMs)} behind.`)
    }
    if (shown.length > 0) lines.push(tableOf(shown, nowMs))
    if (more > 0) lines.push(`${more} more sources are not listed.`)
    return lines.join('\n')
  })
  return parts.length === 0 ? 'No pipeline has the processor normalize_clock.' : parts.join('\n\n')
}

function tableOf(sources: readonly ClockOfSource[], nowMs: number): string {
  const table = new Table({
    head: ['source', 'tenant', 'state', 'offset', '±', 'evidence', 'drift', 'last seen', 'of late'],
    style: process.stdout.isTTY ? {} : { head: [], border: [] },
  })
  for (const one of sources) {
    table.push([
      printable(one.source),
      printable(one.tenant),
      one.state,
      one.offsetMs === 0 ? '' : signed(one.offsetMs),
      span(one.uncertaintyMs),
      one.evidence,
      one.driftPpm === undefined ? '' : `${one.driftPpm.toFixed(0)} ppm`,
      `${span(Math.max(0, nowMs - one.lastSeenUnixMs))} ago`,
      plot(one.levelsMs),
    ])
  }
  return table.toString()
}

/** Names come from senders: nothing in them may steer a terminal. */
const printable = (name: string): string => name.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '?').slice(0, 48)

const signed = (ms: number): string => (ms > 0 ? `+${span(ms)}` : `-${span(-ms)}`)

export function span(ms: number): string {
  if (ms < 1000) return `${ms.toFixed(0)} ms`
  if (ms < 600_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 172_800_000) return `${(ms / 3_600_000).toFixed(2)} h`
  return `${(ms / 86_400_000).toFixed(0)} d`
}

const bars = '▁▂▃▄▅▆▇█'

/** Levels as bars from the lowest to the highest; what differs by less than 10 ms is flat. */
export function plot(levels: readonly number[]): string {
  const low = Math.min(...levels)
  const range = Math.max(...levels) - low
  if (range < 10) return bars[3]!.repeat(levels.length)
  return levels.map((level) => bars[Math.min(7, Math.floor(((level - low) / range) * 8))]).join('')
}
