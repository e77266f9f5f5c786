/**
 * A gateway's life as its operator sees it: ready, reloaded, refused, drained, killed, and what every wrong start is
 * told. Destinations are servers of the test.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type HttpDestination, httpDestination } from '../exporters/servers.ts'
import { decodeRequest } from '../oracle/otlp.ts'
import { passThrough, quickRetry, residency, routed, threeTenants } from './configs.ts'
import { cleanUp, files, later, launch, run, start, temporaryFolder, until } from './gateway.ts'
import { bodiesOf, bytes, getText, record, request, send } from './requests.ts'

let sink: HttpDestination
let other: HttpDestination
beforeEach(async () => {
  sink = await httpDestination()
  other = await httpDestination()
})
afterEach(async () => {
  await Promise.all([sink.close(), other.close()])
})
afterAll(cleanUp)

const arrived = ({ taken }: HttpDestination) => bodiesOf(taken.map(({ body }) => decodeRequest(body)))
const sendOne = async (endpoint: string, text: string, tenant = 'acme') =>
  (await send(endpoint, bytes(request(tenant, [record(text)])))).status

const into = ({ url }: HttpDestination): string => passThrough({ otlp_http: `endpoint: "${url}", ${quickRetry}` })

describe('reload', () => {
  it('SIGHUP takes the new configuration; a bad one is refused, told and counted, and the old one goes on', async () => {
    const folder = temporaryFolder()
    const config = files(folder, { 'gateway.yaml': into(sink) })
    const gateway = await start(config, join(folder, 'data'))
    const { http, health, metrics } = gateway.endpoints
    expect(await sendOne(http, 'one')).toBe(200)
    await until(() => arrived(sink).includes('one'))
    const none = await getText(gateway.endpoints.admin, '/v1/nothing')
    expect([none.status, none.text]).toEqual([404, '{"error":"nothing is here"}'])

    files(folder, { 'new.yaml': into(other) })
    renameSync(join(folder, 'new.yaml'), config)
    gateway.signal('SIGHUP')
    await gateway.hears('reloaded')
    expect(await sendOne(http, 'two')).toBe(200)
    await until(() => arrived(other).includes('two'))
    expect(arrived(sink)).toEqual(['one'])

    files(folder, { 'gateway.yaml': into(sink).replace('endpoint: "http', 'endpont: "http') })
    gateway.signal('SIGHUP')
    const told = await until(() => /gateway\.yaml:\d+:\d+ [^"]*endpont[^"]*/.exec(gateway.told())?.[0])
    expect(told).toContain('did you mean endpoint?')
    expect(await sendOne(http, 'three')).toBe(200)
    await until(() => arrived(other).includes('three'))
    expect((await getText(health, '/')).status).toBe(200)
    expect((await getText(metrics, '/metrics')).text).toMatch(/^douane_reloads_refused\S* [1-9]/m)
    expect((await gateway.stop()).code).toBe(0)
  })

  it('a policy that is replaced by a rename counts within 10 s; a bad one does not, and the next good one does', async () => {
    const folder = temporaryFolder()
    const config = files(folder, {
      'gateway.yaml': routed(sink.url, other.url),
      'residency.yaml': residency(threeTenants),
    })
    const gateway = await start(config, join(folder, 'data'))
    const replace = (text: string) => {
      writeFileSync(join(folder, 'next.yaml'), text)
      renameSync(join(folder, 'next.yaml'), join(folder, 'residency.yaml'))
    }
    const { http } = gateway.endpoints
    expect(await sendOne(http, 'before', 'globex')).toBe(200)
    await until(() => other.taken.length === 1)

    replace(residency('  globex: { residency: local, region: eu-de }'))
    await gateway.hears('reloaded', 10_000)
    expect(await sendOne(http, 'after', 'globex')).toBe(200)
    await until(() => sink.taken.length === 1)
    expect(other.taken.length).toBe(1)

    replace(residency('  globex: { residency: local, region: eu-dee }'))
    const told = await until(() => /residency\.yaml:\d+:\d+ .*/.exec(gateway.told())?.[0])
    expect(told).toContain('did you mean eu-de?')
    expect(await sendOne(http, 'still', 'globex')).toBe(200)
    await until(() => sink.taken.length === 2)

    replace(residency('  globex: { residency: central }'))
    await gateway.hears('reloaded', 10_000)
    expect(await sendOne(http, 'back', 'globex')).toBe(200)
    await until(() => other.taken.length === 2)
    expect((await gateway.stop()).code).toBe(0)
  })

  it('of changes that follow each other at once the last one counts', async () => {
    const folder = temporaryFolder()
    const config = files(folder, {
      'gateway.yaml': routed(sink.url, other.url),
      'residency.yaml': residency('  globex: { residency: central }'),
    })
    const gateway = await start(config, join(folder, 'data'))
    const { http } = gateway.endpoints
    for (let n = 0; n < 40; n++) {
      const rule = n % 2 === 0 || n === 39 ? 'local, region: eu-de' : 'central'
      files(folder, {
        'residency.yaml': residency(`  globex: { residency: ${rule} }\n  t${n}: { residency: central }`),
      })
      await later(60)
    }
    await until(async () => {
      expect(await sendOne(http, 'last', 'globex')).toBe(200)
      await later(200)
      return sink.taken.length > 0
    })
    expect((await gateway.stop()).code).toBe(0)
  })

  it('no request is lost or refused while configurations change under load', async () => {
    const folder = temporaryFolder()
    const config = files(folder, { 'gateway.yaml': into(sink) })
    const gateway = await start(config, join(folder, 'data'))
    const { http } = gateway.endpoints
    const sent: string[] = []
    let isOver = false
    const load = (async () => {
      for (let n = 0; !isOver; n++) {
        expect(await sendOne(http, `n${n}`)).toBe(200)
        sent.push(`n${n}`)
      }
    })()
    for (const next of [other, sink, other]) {
      files(folder, { 'gateway.yaml': into(next) })
      gateway.signal('SIGHUP')
      await gateway.hears('reloaded')
    }
    isOver = true
    await load
    expect((await gateway.stop()).code).toBe(0)
    // What was on its way to one destination may go to its successor again, under the id it had.
    const byId = new Map([...sink.taken, ...other.taken].map(({ headers, body }) => [headers['douane-batch-id'], body]))
    expect(bodiesOf([...byId.values()].map((body) => decodeRequest(body))).sort()).toEqual(sent.sort())
    expect(arrived(other).length).toBeGreaterThan(0)
  })
})

describe('the end', () => {
  it('SIGTERM delivers what is queued, and ends with 0', async () => {
    sink.script.push({ status: 503 }, { status: 503 })
    const folder = temporaryFolder()
    const gateway = await start(files(folder, { 'gateway.yaml': into(sink) }), join(folder, 'data'))
    const sent = Array.from({ length: 40 }, (_, n) => `n${n}`)
    const answers = await Promise.all(sent.map((text) => sendOne(gateway.endpoints.http, text)))
    expect(new Set(answers)).toEqual(new Set([200]))
    expect((await gateway.stop()).code).toBe(0)
    sink.taken.splice(0, 2)
    expect(arrived(sink).sort()).toEqual(sent.sort())
  })

  it('with a destination that is away it ends with 0 too, says what is left, and the next start delivers it', async () => {
    const { url } = sink
    await sink.close()
    const folder = temporaryFolder()
    const config = files(folder, { 'gateway.yaml': passThrough({ otlp_http: `endpoint: "${url}", ${quickRetry}` }) })
    const first = await start(config, join(folder, 'data'))
    expect(await sendOne(first.endpoints.http, 'kept')).toBe(200)
    const { code, stderr } = await first.stop()
    expect([code, stderr]).toEqual([0, expect.stringContaining('1 record')])

    files(folder, { 'gateway.yaml': into(other) })
    const second = await start(config, join(folder, 'data'))
    await until(() => arrived(other).includes('kept'))
    expect((await second.stop()).code).toBe(0)
    expect(arrived(other)).toEqual(['kept'])
  })

  it('kill -9 loses nothing that was acknowledged, and a batch that is sent again has the id it had', async () => {
    sink.script.push(...Array.from({ length: 50 }, () => ({ status: 503 })))
    const folder = temporaryFolder()
    const config = files(folder, { 'gateway.yaml': into(sink) })
    const first = await start(config, join(folder, 'data'))
    const acknowledged: string[] = []
    const load = Array.from({ length: 200 }, async (_, n) => {
      await later(n * 2)
      const status = await sendOne(first.endpoints.http, `n${n}`).catch(() => 0)
      if (status === 200) acknowledged.push(`n${n}`)
    })
    await until(() => acknowledged.length > 60 && sink.taken.length > 0)
    await first.kill()
    await Promise.all(load)
    sink.script.length = 0
    const second = await start(config, join(folder, 'data'))
    await until(() => acknowledged.every((text) => arrived(sink).includes(text)))
    expect((await second.stop()).code).toBe(0)
    const byId = new Map<string, string>()
    for (const { headers, body } of sink.taken) {
      const id = headers['douane-batch-id']!
      expect(id).toMatch(/./)
      expect(byId.get(id) ?? body.toString('base64')).toBe(body.toString('base64'))
      byId.set(id, body.toString('base64'))
    }
    expect(byId.size).toBeLessThan(sink.taken.length)
    // Once an id is taken for the same batch, every record is there once, but for those whose answer was cut off.
    const once = [...byId.values()].flatMap((body) => bodiesOf([decodeRequest(Buffer.from(body, 'base64'))]))
    expect(new Set(once).size).toBe(once.length)
  })
})

describe('a start', () => {
  it('a SIGHUP that comes before the gateway is ready is a reload after it, not the end', async () => {
    const folder = temporaryFolder()
    const config = files(folder, { 'gateway.yaml': into(sink) })
    const child = launch(['run', '--config', config, '--data-dir', join(folder, 'data')])
    let said = ''
    child.stdout!.on('data', (text) => {
      said += text
    })
    // The lock is taken early in the start, long before the ports are.
    await until(() => existsSync(join(folder, 'data/lock')))
    expect(said).toBe('')
    child.kill('SIGHUP')
    await until(() => said.includes('"reloaded"'))
    child.kill('SIGTERM')
    const [code] = await once(child, 'exit')
    expect([code, said.split('\n').map((line) => line.slice(0, 14))]).toEqual([
      0,
      ['{"msg":"ready"', '{"msg":"reload', ''],
    ])
  })
})

describe('started by npm', () => {
  it('whoever stops npm stops the gateway, which ends as it should', async () => {
    const folder = temporaryFolder()
    const config = files(folder, { 'gateway.yaml': into(sink) })
    const args = ['run', '--silent', 'douane', '--', 'run', '--config', config, '--data-dir', join(folder, 'data')]
    const npm = spawn('npm', args, { cwd: join(import.meta.dirname, '../..'), stdio: ['ignore', 'pipe', 'ignore'] })
    const [said] = await once(npm.stdout, 'data')
    expect(String(said)).toContain('"ready"')
    const { pid } = JSON.parse(readFileSync(join(folder, 'data/gateway.json'), 'utf8'))
    npm.kill('SIGTERM')
    expect(await once(npm, 'exit')).toEqual([0, null])
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    expect(existsSync(join(folder, 'data/lock'))).toBe(false)
  })
})

describe('a start that cannot be', () => {
  it('a second gateway on the same data directory, and one on the same port: 3, and what to do', async () => {
    const folder = temporaryFolder()
    const config = files(folder, { 'gateway.yaml': into(sink) })
    const gateway = await start(config, join(folder, 'data'))
    const port = gateway.endpoints.http.split(':')[1]!
    const taken = files(folder, {
      'taken.yaml': into(sink).replace('http: { endpoint: 127.0.0.1:0', `http: { endpoint: 127.0.0.1:${port}`),
    })
    const [onData, onPort] = await Promise.all([
      run(['run', '--config', config, '--data-dir', join(folder, 'data')]),
      run(['run', '--config', taken, '--data-dir', join(folder, 'other')]),
    ])
    expect([onData.code, onData.stderr]).toEqual([3, expect.stringContaining('--data-dir')])
    expect(onData.stderr).toContain(String(gateway.pid))
    expect([onPort.code, onPort.stderr]).toEqual([3, expect.stringContaining(port)])
    expect(await sendOne(gateway.endpoints.http, 'unhurt')).toBe(200)
    expect((await gateway.stop()).code).toBe(0)
    expect(arrived(sink)).toEqual(['unhurt'])
    // The lock is free again.
    const next = await start(config, join(folder, 'data'))
    expect((await next.stop()).code).toBe(0)
  })

  it('a data directory that cannot be made, an unreadable configuration, a wrong one, wrong usage', async () => {
    const folder = temporaryFolder()
    const config = files(folder, {
      'gateway.yaml': into(sink),
      'wrong.yaml': into(sink).replace('receivers: [otlp]', 'receivers: [oltp]').replace('endpoint: "', 'endpint: "'),
      file: '',
    })
    const [unwritable, missing, wrong, option, verb] = await Promise.all([
      run(['run', '--config', config, '--data-dir', join(folder, 'file', 'data')]),
      run(['run', '--config', join(folder, 'missing.yaml'), '--data-dir', join(folder, 'data')]),
      run(['run', '--config', join(folder, 'wrong.yaml'), '--data-dir', join(folder, 'data')]),
      run(['run', '--confg', config]),
      run(['rum']),
    ])
    expect([unwritable!.code, unwritable!.stderr]).toEqual([3, expect.stringContaining('DOUANE_DATA_DIR')])
    expect([missing!.code, missing!.stderr]).toEqual([1, expect.stringContaining('missing.yaml')])
    expect(wrong!.code).toBe(1)
    expect(wrong!.stderr).toMatch(/wrong\.yaml:\d+:\d+ exporters\.otlp_http\.endpint: .*did you mean endpoint\?/)
    expect(wrong!.stderr).toMatch(/wrong\.yaml:\d+:\d+ service\.pipelines\.logs\.receivers\[0\]: .*did you mean otlp\?/)
    expect(existsSync(join(folder, 'data'))).toBe(false)
    expect([option!.code, verb!.code]).toEqual([2, 2])
  })

  it('an admin port in use: 3, and nothing is left behind', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await until(() => server.listening)
    const { port } = server.address() as net.AddressInfo
    const folder = temporaryFolder()
    const config = files(folder, {
      'gateway.yaml': into(sink).replace('admin: { endpoint: 127.0.0.1:0', `admin: { endpoint: 127.0.0.1:${port}`),
    })
    const { code, stderr } = await run(['run', '--config', config, '--data-dir', join(folder, 'data')])
    server.close()
    expect([code, stderr]).toEqual([3, expect.stringContaining('extensions.admin.endpoint')])
  })
})
