/**
 * What more rules for secrets cost, through the whole of minimize and through its prefilter alone: with the vendors' tables as
 * they are, and with as many rows again that were made from them. `node bench/secret_rules.ts`; ends with 1 where the pace of
 * either falls by 20 % or more.
 *
 * Minimize is run by two processes in turn; one of them reads the tables doubled. Its records are ordinary log lines, and one
 * in ten holds something.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import type { Host } from '../src/contract.ts'
import { cleanLines, labelled } from './detect_samples.ts'

const rounds = 4
const runs = 12

/** A letter becomes the next one, a digit the next digit, outside of braces. */
const turned = (format: string): string =>
  format.replace(/\{[^}]*\}|[a-yA-Y0-8]/g, (piece) =>
    piece.length > 1 ? piece : String.fromCharCode(piece.charCodeAt(0) + 1),
  )
/** The rows of a table, each followed by its twin: other beginnings of tokens, other names. */
const doubledTable = (source: string): string =>
  source.replace(
    /^(?!export )([a-z0-9_]+)( +)(\S+)(.*)$/gm,
    (row, name: string, gap: string, format: string, rest: string) =>
      format === '!' || format === '-'
        ? `${row}\n${turned(name)}${gap}${format}${rest}`
        : `${row}\n${name}_twin${gap}${turned(format)}${rest}`,
  )

/** Microseconds a record through minimize alone, the best of several runs. */
async function measure(): Promise<number> {
  const { default: minimize } = await import('../processors/minimize/index.ts')
  const { readRequest } = await import('../src/otlp/read.ts')
  const { LogsRequest } = await import('../src/otlp/request.ts')
  const { Chain } = await import('../src/pipeline/chain.ts')
  const { encodeRequest } = await import('../test/oracle/otlp.ts')
  const counter = { add: () => {}, with: () => counter }
  const host = {
    counter: () => counter,
    purposes: { bit: () => 1, names: () => [] },
    hashKeys: { current: () => ({ id: '0badcafe', key: Buffer.alloc(32, 7) }) },
  } as unknown as Host
  const processor = minimize.create(minimize.config.parse({}), host)
  const lines = [...cleanLines(3600, 7), ...labelled(400, 9).map(({ text }) => text)]
  const logRecords = lines.map((stringValue) => ({ severityNumber: 9, body: { stringValue } }))
  const body = encodeRequest({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] })
  const request = new LogsRequest()
  const named = { id: 'minimize', processor, incoming: counter, outgoing: counter }
  const chain = new Chain(request, [named], (_id, error) => {
    throw error
  })
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    readRequest(request, body)
    const before = process.cpuUsage()
    chain.run(new Uint8Array(request.resources.count))
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / lines.length)
  }
  return best
}

/** The same over the prefilter alone: CPU microseconds for all lines, and where it stops. */
async function prefilters(): Promise<{ micros: number[]; stops: number[] }> {
  const { tokenStarts } = await import('../processors/minimize/detect/vendor_tokens.ts')
  const { doubled, prefilter } = await import('../test/processors/minimize/doubled.ts')
  const text = Buffer.from(cleanLines(4000, 7).join('\n')).map((byte) => byte & 127)
  const cases = [prefilter(text, tokenStarts), prefilter(text, doubled(tokenStarts))]
  const micros = cases.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < 100; round++)
    for (const [i, run] of cases.entries()) {
      const before = process.cpuUsage()
      for (let k = 0; k < 4; k++) run()
      const { user, system } = process.cpuUsage(before)
      micros[i] = Math.min(micros[i]!, (user + system) / 4)
    }
  return { micros, stops: cases.map((run) => run()) }
}

if (process.argv[2] === 'child') {
  if (process.argv[3] === 'doubled')
    registerHooks({
      load(url, context, next) {
        if (!/minimize\/detect\/vendors\/\w+\.ts$/.test(url)) return next(url, context)
        const source = doubledTable(readFileSync(new URL(url), 'utf8'))
        return { format: 'module-typescript', source, shortCircuit: true }
      },
    })
  console.log(await measure())
} else {
  const best = { plain: Number.POSITIVE_INFINITY, doubled: Number.POSITIVE_INFINITY }
  for (let round = 0; round < rounds; round++)
    for (const kind of ['plain', 'doubled'] as const) {
      const { stdout, stderr } = spawnSync(process.execPath, [import.meta.filename, 'child', kind], {
        encoding: 'utf8',
      })
      if (!(Number(stdout) > 0)) throw new Error(`the process that measures failed: ${stderr}`)
      best[kind] = Math.min(best[kind], Number(stdout))
    }
  const { micros, stops } = await prefilters()
  const losses = [1 - best.plain / best.doubled, 1 - micros[0]! / micros[1]!]
  console.log(
    `minimize    ${best.plain.toFixed(2)} us a record, ${best.doubled.toFixed(2)} with twice as many rules: the pace falls by ${(losses[0]! * 100).toFixed(1)} %`,
  )
  console.log(`prefilter   ${stops.join(' and ')} stops: the pace falls by ${(losses[1]! * 100).toFixed(1)} %`)
  process.exitCode = losses.every((loss) => loss < 0.2) ? 0 : 1
}
