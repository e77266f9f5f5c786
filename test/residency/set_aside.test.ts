/** Quarantine and dead letters by the admin API: listed without payload, let out under today's policy, counted. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { attribute, cleanUp, config, policy, startGateway, startStore, temporaryFolder, until } from './rig.ts'

afterEach(cleanUp)

const acme = '  acme: { residency: local, region: eu-de }'
const main = join(import.meta.dirname, '../../src/main.ts')
const douane = (...args: string[]) => promisify(execFile)(process.execPath, [main, ...args])

async function started(folder = temporaryFolder()) {
  const [home, central] = [await startStore(), await startStore()]
  const files = { 'config.yaml': config(home.url, central.url), 'residency.yaml': policy(acme) }
  return { home, central, files, folder, one: await startGateway(files, folder) }
}
const balance = (status: Record<string, unknown>) => {
  const { received, ...rest } = (status as { total: Record<string, number> }).total
  expect(Object.values(rest).reduce((sum, n) => sum + n, 0)).toBe(received)
  return rest
}

test('each released record follows the policy of that day', async () => {
  const { home, central, one } = await started()
  expect(await one.send('globex', ['auth.login', 'export.docx'])).toBe(200)
  expect(await one.send('hooli', ['auth.login'])).toBe(200)
  expect(await one.send('nobody', ['auth.login'])).toBe(200)
  expect((await one.ask('/v1/quarantine')).answer).toMatchObject({
    records: 4,
    tenants: { globex: 2, hooli: 1, nobody: 1 },
  })
  const tenants = [acme, '  globex: { residency: central }', '  hooli: { residency: reject }']
  one.write('residency.yaml', policy(tenants.join('\n')))
  await one.gateway.reload()
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect((await one.ask('/v1/quarantine/release', {})).answer).toEqual({ released: 4, rejected: 1, quarantined: 1 })
  await until(() => central.records().length === 2)
  expect(central.records().map((record) => attribute(record, 'douane.tenant'))).toEqual(['globex', 'globex'])
  expect(home.records()).toEqual([])
  expect((await one.ask('/v1/quarantine')).answer).toMatchObject({ records: 1, tenants: { nobody: 1 } })
  await until(() => balance(one.gateway.status() as never)['in_flight'] === 0)
  expect(one.gateway.status().total).toMatchObject({ received: 4, stored: 2, rejected: 1, quarantined: 1 })
})

test('what was in quarantine before a restart is counted, listed, and purged by command', async () => {
  const first = await started()
  await first.one.send('globex', ['auth.login', 'export.docx'])
  await first.one.stop()
  const again = await startGateway(first.files, first.folder)
  expect(again.gateway.status().tenants['globex']).toMatchObject({ received: 2, quarantined: 2 })
  const { stdout } = await douane('quarantine', 'purge', '--data-dir', again.dataDir)
  expect(JSON.parse(stdout)).toEqual({ purged: 2 })
  expect(again.gateway.status().tenants['globex']).toMatchObject({ received: 2, quarantined: 0, dropped: 2 })
  const listed = await douane('quarantine', 'list', '--data-dir', again.dataDir, '--format', 'json')
  expect(JSON.parse(listed.stdout)).toEqual({ records: 0, bytes: 0, oldest: null, tenants: {} })
})

test('dead letters are listed without payload, sent again, and purged', async () => {
  const { home, one } = await started()
  home.status = 400
  await one.send('acme', ['auth.canary'])
  await until(() => one.gateway.status().total.dead_lettered === 1)
  const list = await douane('dead-letters', 'list', '--data-dir', one.dataDir, '--format', 'json')
  const letter = JSON.parse(list.stdout)
  expect(letter).toMatchObject({ destination: 'otlp_http/home', records: 1, tenants: { acme: 1 } })
  expect(list.stdout).not.toContain('canary')
  const inspected = await douane('dead-letters', 'inspect', letter.id, '--data-dir', one.dataDir, '--format', 'json')
  const { outline, ...same } = JSON.parse(inspected.stdout)
  expect(same).toEqual(letter)
  expect(outline.resources[0].records[0].event_name).toBe('text, 11 bytes')
  expect(inspected.stdout).not.toContain('canary')
  const table = await douane('dead-letters', 'inspect', letter.id, '--data-dir', one.dataDir, '--format', 'table')
  expect(table.stdout).toMatch(/record 1 .*event_name .*text, 11 bytes/)
  expect(table.stdout).not.toContain('canary')
  await expect(douane('dead-letters', 'inspect', 'nothing', '--data-dir', one.dataDir)).rejects.toMatchObject({
    code: 1,
  })
  await expect(
    douane('dead-letters', 'retry', '--destination', 'otlp_http/none', '--data-dir', one.dataDir),
  ).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('otlp_http/home') })

  // A slip of the pen does not look as if it were done.
  for (const verb of ['retry', 'purge']) {
    expect(await one.ask(`/v1/dead-letters/${verb}`, { ids: ['nothing'] })).toMatchObject({ status: 404 })
  }

  const other = await douane('dead-letters', 'retry', '--destination', 'otlp_http/central', '--data-dir', one.dataDir)
  expect(JSON.parse(other.stdout)).toEqual({ batches: 0 })
  home.status = 200
  const retried = await douane('dead-letters', 'retry', letter.id, '--data-dir', one.dataDir)
  expect(JSON.parse(retried.stdout)).toEqual({ batches: 1 })
  await until(() => home.records().length === 1)
  expect(home.requests[0]!.batch).toBe(letter.id)
  await until(() => one.gateway.status().total.stored === 1)
  expect(balance(one.gateway.status() as never)).toMatchObject({ stored: 1, dead_lettered: 0 })

  home.status = 400
  await one.send('acme', ['auth.canary'])
  await until(() => one.gateway.status().total.dead_lettered === 1)
  expect((await one.ask('/v1/dead-letters/purge', {})).answer).toEqual({ batches: 1 })
  expect((await one.ask('/v1/dead-letters')).answer).toEqual({ dead_letters: [] })
})

test('a page in a browser cannot ask', async () => {
  const { one } = await started()
  const ask = (headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      import('node:http').then(({ default: http }) => {
        const [host, port] = one.admin.endpoint.split(':')
        http
          .request({ host, port, path: '/v1/status', headers }, (response) => {
            response.resume()
            resolve(response.statusCode!)
          })
          .on('error', reject)
          .end()
      }, reject)
    })
  expect(await ask({})).toBe(200)
  expect(await ask({ origin: 'http://127.0.0.1' })).toBe(403)
  expect(await ask({ host: 'rebound.example' })).toBe(403)
})

test('api-keys add shows a key once, and that key is let in', async () => {
  const [home, central] = [await startStore(), await startStore()]
  const folder = temporaryFolder()
  const withKeys = config(home.url, central.url)
    .replace('} } } }\nprocessors', '} }, auth: { authenticator: api_keys } } }\nprocessors')
    .replace('extensions: { admin', 'extensions: { api_keys: { file: keys.yaml, reload_interval: 50ms }, admin')
  const file = join(folder, 'keys.yaml')
  const { stdout: key } = await douane('api-keys', 'add', 'acme one', '--tenant', 'acme', '--file', file)
  const one = await startGateway({ 'config.yaml': withKeys, 'residency.yaml': policy(acme) }, folder)
  const send = async (bearer: string) => {
    const response = await fetch(`http://${one.gateway.endpoints.http}/v1/logs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
      body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ eventName: 'auth.a' }] }] }] }),
    })
    return response.status
  }
  expect(await send(key.trim())).toBe(200)
  await until(() => home.records().length === 1)
  expect(attribute(home.records()[0]!, 'douane.tenant')).toBe('acme')
  expect(await send(key.trim().replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')))).toBe(401)
  const configFile = join(folder, 'config.yaml')
  const listed = (await douane('api-keys', 'list', '--config', configFile)).stdout
  expect(JSON.parse(listed)).toMatchObject({ name: 'acme one', tenants: ['acme'] })
  expect(listed).not.toContain(key.trim().slice(20))
  await douane('api-keys', 'remove', JSON.parse(listed).id, '--config', configFile)
  await until(async () => (await send(key.trim())) === 401)
  const late = douane('api-keys', 'add', 'x', '--expires', '2020-01-01', '--file', file)
  await expect(late).rejects.toMatchObject({ code: 1 })
})
