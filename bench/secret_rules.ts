/**
 * What more rules for secrets cost: the prefilter over ordinary log lines with the vendors' formats as they are, and with
 * as many again that were made from them. `node bench/secret_rules.ts`; ends with 1 where the pace falls by 20 % or more.
 *
 * Rules meet values only where the prefilter stops for them, so its pace and the places where it stops are what can grow.
 */
import { tokenStarts } from '../processors/minimize/detect/vendor_tokens.ts'
import { doubled, prefilter } from '../test/processors/minimize/doubled.ts'
import { cleanLines } from './detect_samples.ts'

const text = Buffer.from(cleanLines(4000, 7).join('\n')).map((byte) => byte & 127)
const cases = [prefilter(text, tokenStarts), prefilter(text, doubled(tokenStarts))]
const best = cases.map(() => Number.POSITIVE_INFINITY)
for (let round = 0; round < 150; round++)
  for (const [i, run] of cases.entries()) {
    const before = process.cpuUsage()
    for (let k = 0; k < 4; k++) run()
    const { user, system } = process.cpuUsage(before)
    best[i] = Math.min(best[i]!, (user + system) / 4)
  }
const paces = best.map((micros) => text.length / micros)
for (const [i, name] of ['formats as they are', 'twice as many'].entries())
  console.log(name.padEnd(20), `${paces[i]!.toFixed(0)} MB per CPU-second, ${cases[i]!()} stops`)
const loss = 1 - paces[1]! / paces[0]!
console.log(`the pace falls by ${(loss * 100).toFixed(1)} %`)
process.exitCode = loss < 0.2 ? 0 : 1
