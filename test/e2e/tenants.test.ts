/**
 * Who may speak for whom, and what becomes of records that the policy knows nothing of: with API keys, with a default
 * that refuses, and what the sender is told.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { makeApiKey } from '../../src/receive/authenticate/api_keys.ts'
import type { GatewayStatus } from '../../src/status.ts'
import { type HttpDestination, httpDestination } from '../exporters/servers.ts'
import { decodeRequest, type Request } from '../oracle/otlp.ts'
import { readResponse, readStatus } from '../receive/grpc_client.ts'
import { residency, routed, threeTenants } from './configs.ts'
import { cleanUp, files, type Gateway, start, temporaryFolder, until } from './gateway.ts'
import { attribute, bodiesOf, bytes, getText, record, recordsOf, request, send } from './requests.ts'

let gateway: Gateway
let local: HttpDestination
let central: HttpDestination
const acme = makeApiKey('acme', ['acme'])
const both = makeApiKey('both', ['acme', 'globex'])
const nobody = makeApiKey('nobody')

beforeAll(async () => {
  local = await httpDestination()
  central = await httpDestination()
  const folder = temporaryFolder()
  const config = files(folder, {
    'gateway.yaml': routed(local.url, central.url, 'keys.yaml'),
    'residency.yaml': residency(threeTenants, 'reject'),
    'keys.yaml': stringify({ keys: [acme.entry, both.entry, nobody.entry] }),
  })
  gateway = await start(config, join(folder, 'data'))
})
afterAll(async () => {
  await cleanUp()
  await Promise.all([local.close(), central.close()])
})

const sendAs = (key: string | undefined, ...requests: Request[]) => {
  const whole = { resourceLogs: requests.flatMap(({ resourceLogs = [] }) => resourceLogs) }
  return send(gateway.endpoints.http, bytes(whole), key === undefined ? {} : { authorization: `Bearer ${key}` })
}
const requestsAt = ({ taken }: HttpDestination) => taken.map(({ body }) => decodeRequest(body))
const find = (sink: HttpDestination, mark: string) =>
  recordsOf(requestsAt(sink)).filter((one) => attribute(one, 'mark')?.stringValue === mark)
const marked = (mark: string, more: Parameters<typeof record>[1] = {}) =>
  record('some text', { ...more, with: { mark, ...more.with } })

describe('the credential', () => {
  it('is asked for, and a wrong one is not told apart from none', async () => {
    const [none, wrong] = [
      await sendAs(undefined, request('acme', [marked('x')])),
      await sendAs('dk_no', request('acme', [])),
    ]
    expect([none.status, wrong.status]).toEqual([401, 401])
    expect(wrong.body.equals(none.body)).toBe(true)
  })

  it('names the tenant where the resource says nothing', async () => {
    expect((await sendAs(acme.key, request(undefined, [marked('silent')]))).status).toBe(200)
    const [one] = await until(() => find(local, 'silent').length === 1 && find(local, 'silent'))
    expect(attribute(one!, 'douane.tenant')?.stringValue).toBe('acme')
    expect(find(central, 'silent')).toEqual([])
  })

  it('wins: a resource that names somebody else is refused, its neighbours are not', async () => {
    const alone = await sendAs(acme.key, request('globex', [marked('contradicts')]))
    expect(alone.status).toBeGreaterThanOrEqual(400)
    expect(alone.status).toBeLessThan(500)
    expect(readStatus(alone.body).message).toMatch(/tenant/)
    const mixed = await sendAs(
      acme.key,
      request('globex', [marked('contradicts')]),
      request('acme', [marked('beside')]),
    )
    expect(mixed.status).toBe(200)
    expect(readResponse(mixed.body)).toMatchObject({ partialSuccess: { rejectedLogRecords: '1' } })
    await until(() => find(local, 'beside').length === 1)
    expect([find(local, 'contradicts'), find(central, 'contradicts')]).toEqual([[], []])
  })

  it('of two tenants lets the resource say which of them', async () => {
    expect(
      (await sendAs(both.key, request('globex', [marked('of two')]), request('acme', [marked('of two')]))).status,
    ).toBe(200)
    await until(() => find(local, 'of two').length === 1 && find(central, 'of two').length === 1)
    expect((await sendAs(both.key, request('initech', [marked('third')]))).status).toBe(400)
    expect([find(local, 'third'), find(central, 'third')]).toEqual([[], []])
  })

  it('that names no tenant leaves it to the resource; where nobody is named the default refuses', async () => {
    expect((await sendAs(nobody.key, request('acme', [marked('trusted')]))).status).toBe(200)
    await until(() => find(local, 'trusted').length === 1)
    for (const key of [both.key, nobody.key]) {
      const { status } = await sendAs(key, request(undefined, [marked('unknown')]))
      expect(status).toBe(400)
    }
    expect([find(local, 'unknown'), find(central, 'unknown')]).toEqual([[], []])
  })
})

describe('purposes and copies', () => {
  it('a merged copy names the purposes that its destination may hold, and has what they allow', async () => {
    const one = marked('export', { eventName: 'auth.export', with: { 'event.kind': 'export', comment: 'a word' } })
    const { key } = makeApiKey('initech', ['initech'])
    expect((await sendAs(key, request('initech', [one]))).status).toBe(401)
    expect((await sendAs(both.key, request('acme', [one]))).status).toBe(200)
    const [copy] = await until(() => find(local, 'export').length === 1 && find(local, 'export'))
    const purposes = attribute(copy!, 'douane.purpose')?.arrayValue?.values?.map(({ stringValue }) => stringValue)
    expect(purposes).toEqual(['billing', 'security', 'usage'])
    expect(copy!.body?.stringValue).toMatch(/^cose:/)
    expect(attribute(copy!, 'comment')?.stringValue).toMatch(/^cose:/)
    expect(attribute(copy!, 'douane.region')?.stringValue).toBe('eu-de')
  })

  it('a purpose without content leaves none, and nothing that a sender claims under douane. comes through', async () => {
    const billing = { 'event.kind': 'export', comment: 'a word', 'douane.purpose': 'security', 'douane.x': 'y' }
    expect((await sendAs(both.key, request('globex', [marked('billing', { with: billing })]))).status).toBe(200)
    const [copy] = await until(() => find(central, 'billing').length === 1 && find(central, 'billing'))
    expect([copy!.body, attribute(copy!, 'comment'), attribute(copy!, 'douane.x')]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(copy!.attributes!.filter(({ key }) => key === 'douane.purpose').length).toBe(1)
  })
})

it('the account counts every refusal, per tenant, and nothing of a request that was not let in', async () => {
  // A destination has its copy a moment before the gateway hears of it.
  const { total, tenants } = await until(async () => {
    const { text } = await getText(gateway.endpoints.admin, '/v1/status')
    const status = JSON.parse(text) as GatewayStatus
    return status.total.in_flight === 0 && status
  })
  for (const { received, ...rest } of [total, ...Object.values(tenants)]) {
    expect(Object.values(rest).reduce((sum, n) => sum + n)).toBe(received)
  }
  expect(total.rejected).toBe(5)
  expect(bodiesOf([...requestsAt(local), ...requestsAt(central)]).length).toBe(total.stored)
  const metrics = (await getText(gateway.endpoints.metrics, '/metrics')).text
  expect(metrics).toMatch(/^otelcol_receiver_refused_log_records(_total)?\{[^}]*\} 5$/m)
})
