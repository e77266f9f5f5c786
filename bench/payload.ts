/**
 * Requests like those that services send: about 460 bytes a record with ten attributes, 30 % of the records with
 * personal data, 2 % errors; tenants acme and globex in turn. Seeded: the same bytes every time. No two records of
 * `variants` × `records` are alike, so that caches of values are of little help.
 */
import { encodeRequest, type KeyValue, type LogRecord } from '../test/oracle/otlp.ts'
import { seeded } from '../test/oracle/random.ts'

const START = 1_763_640_000_000_000_000n

export function payloads(records: number, variants = 8): Buffer[] {
  return Array.from({ length: variants }, (_, variant) => {
    const random = seeded(records * variants + variant)
    const tenant = variant % 2 === 0 ? 'acme' : 'globex'
    const logRecords = Array.from({ length: records }, (_, index) => record(variant * records + index, tenant, random))
    const attributes = Object.entries({
      'service.name': 'checkout',
      'service.version': '1.2.3',
      'host.name': 'node-17',
      'tenant.id': tenant,
      'cloud.region': 'eu-central-1',
    }).map(([key, value]) => attribute(key, value))
    return encodeRequest({
      resourceLogs: [
        { resource: { attributes }, scopeLogs: [{ scope: { name: 'app.logger', version: '1.0' }, logRecords }] },
      ],
    })
  })
}

function record(i: number, tenant: string, random: () => number): LogRecord {
  const isPersonal = random() < 0.3
  const isError = random() < 0.02
  const observed = START + BigInt(i) * 1_000_000n
  return {
    timeUnixNano: observed - 5_000n,
    observedTimeUnixNano: observed,
    severityNumber: isError ? 17 : 9,
    severityText: isError ? 'ERROR' : 'INFO',
    body: {
      stringValue: isPersonal
        ? `User jane.doe${i}@example.com logged in from 192.168.${i % 255}.${(i * 7) % 255} with card 4111 1111 1111 1111 session ok`
        : `Request GET /api/v1/projects/${i} handled by worker ${i % 16} in ${i % 300} ms status=200 bytes=${i * 13} cache=hit`,
    },
    attributes: [
      attribute('http.request.method', 'GET'),
      attribute('http.route', '/api/v1/projects/{id}'),
      attribute('http.response.status_code', 200),
      attribute('client.address', `10.1.2.${i % 255}`),
      attribute('user.id', `usr_${i % 5000}`),
      attribute('session.id', `sess-${i.toString(16).padStart(12, '0')}`),
      attribute('url.path', `/api/v1/projects/${i}`),
      attribute('tenant.id', tenant),
      attribute('event.duration_ms', i % 300),
      attribute('enduser.email', isPersonal ? `jane.doe${i}@example.com` : '-'),
    ],
    traceId: Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex'),
    spanId: Buffer.from('b7ad6b7169203331', 'hex'),
  }
}

const attribute = (key: string, value: string | number): KeyValue => ({
  key,
  value: typeof value === 'number' ? { intValue: BigInt(value) } : { stringValue: value },
})
