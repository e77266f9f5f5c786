/** Bundles of keys that are replaced while a gateway runs, and those that stop its start. */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  config,
  decrypted,
  decryptSide,
  environment,
  exported,
  gatewayOf,
  policy,
  type Side,
  tell,
  use,
  written,
} from '../e2e/decrypt_side.ts'
import { cleanUp, files, run, temporaryFolder, until } from '../e2e/gateway.ts'

let side: Side
beforeAll(async () => {
  side = await decryptSide()
})
afterAll(cleanUp)

describe('a bundle', () => {
  it('that is missing, unsigned, of another signer or expired stops the start, with its place and the fix', async () => {
    const stranger = await decryptSide()
    const folder = temporaryFolder()
    const refusal = async (text: string | undefined, trust = side.trust) => {
      const bundle = join(folder, 'bundle.json')
      if (text !== undefined) writeFileSync(bundle, text)
      const file = files(folder, { 'gateway.yaml': config('bundle.json', trust), 'residency.yaml': policy })
      const { code, stderr } = await run(['run', '--config', file, '--data-dir', join(folder, 'state')])
      expect(code).toBe(1)
      expect(stderr).toMatch(/gateway\.yaml:12:\d+ service\.keys\.bundle\.path: /)
      return stderr
    }
    const { signature: _, ...unsigned } = JSON.parse(readFileSync(side.bundle, 'utf8'))
    const expired = join(folder, 'expired.json')
    await run(['keys', 'export-bundle', '--expires', '1s', '--out', expired, '--data-dir', side.dir], {
      env: environment,
    })
    await exported(side.dir, side.bundle)
    await until(() => JSON.parse(readFileSync(expired, 'utf8')).expiresMs < Date.now())
    const told = [
      await refusal(undefined),
      await refusal(JSON.stringify(unsigned)),
      await refusal(readFileSync(stranger.bundle, 'utf8')),
      await refusal(readFileSync(expired, 'utf8')),
    ]
    expect(told[0]).toMatch(/cannot read .*bundle\.json \(ENOENT\).*douane keys export-bundle/)
    expect(told[1]).toMatch(/not signed by the pinned signer.*Take it from the decrypt side/)
    expect(told[2]).toMatch(/not signed by the pinned signer/)
    expect(told[3]).toMatch(/has expired.*douane keys export-bundle/)
  })

  it('that is new is in use within seconds; one that is bad is refused, and the old one goes on', async () => {
    const { running, out, keys } = await gatewayOf(side)
    const recipients = (): string[] => {
      const [file = ''] = readdirSync(join(keys, 'epochs'))
      const lines = readFileSync(join(keys, 'epochs', file), 'utf8')
        .trim()
        .split('\n')
      return lines.map((line) => JSON.parse(line).recipient.slice(-2))
    }
    expect((await tell(running, 'first')).status).toBe(200)
    expect(recipients()).toEqual(['-1'])

    const good = readFileSync(side.bundle, 'utf8')
    writeFileSync(`${side.bundle}.bad`, good.replace('"version":', '"version":9'))
    renameSync(`${side.bundle}.bad`, side.bundle)
    await until(() => running.told().includes('reload_refused'), 20_000)
    expect(running.told()).toContain('not signed by the pinned signer')
    expect((await tell(running, 'second')).status).toBe(200)

    await run(['keys', 'rotate', ...use, '--data-dir', side.dir], { env: environment })
    await exported(side.dir, side.bundle)
    await running.hears('reloaded', 20_000)
    await until(async () => (await tell(running, 'third')).status === 200 && recipients().at(-1) === '-2')
    await running.stop()
    const { stdout } = await decrypted(side, await written(out), [keys])
    for (const word of ['first', 'second', 'third']) expect(stdout).toContain(`"${word}"`)
  })
})
