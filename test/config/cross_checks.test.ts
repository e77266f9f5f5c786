import { describe, expect, test } from 'vitest'
import { load, told } from './registries.ts'

const policy = `
regions:
  eu-de: { jurisdiction: [DE], pipeline: logs/de }
  eu-nl: { jurisdiction: [NL], pipeline: logs/nl, central: true }
purposes:
  usage: { retention: 1mo }
`
const config = `
receivers:
  otlp: { protocols: { http: } }
connectors:
  residency: { policy: policy.yaml }
exporters:
  otlp_http/de: { endpoint: x, region: eu-de }
  otlp_http/nl: { endpoint: x, region: eu-nl }
  debug:
service:
  pipelines:
    logs/in: { receivers: [otlp], exporters: [residency] }
    logs/de: { receivers: [residency], exporters: [otlp_http/de, debug] }
    logs/nl: { receivers: [residency], exporters: [otlp_http/nl] }
`
/** The problems after one change of the configuration (or, with `of`, of the policy). */
function changed(from: string | RegExp, to: string, of: 'config' | 'policy' = 'config'): string[] {
  const texts = { config, policy }
  const text = texts[of].replace(from, to)
  expect(text).not.toBe(texts[of])
  return told(load({ 'gw.yaml': of === 'config' ? text : config, 'policy.yaml': of === 'policy' ? text : policy }))
}

test('a configuration with residency loads, its policy with it', () => {
  const loaded = load({ 'gw.yaml': config, 'policy.yaml': policy })
  expect(told(loaded)).toEqual([])
  const connector = loaded.config?.connectors.get('residency')
  expect(connector?.policyFile).toMatch(/\/policy\.yaml$/)
  expect(connector?.policy.central).toBe('eu-nl')
})

describe('residency fails closed', () => {
  test('an exporter of another region in a region’s pipeline', () => {
    expect(changed('[otlp_http/de, debug]', '[otlp_http/de, otlp_http/nl]')).toEqual([
      'gw.yaml:13:66 service.pipelines.logs/de.exporters[1]: otlp_http/nl lies in region eu-nl, but this pipeline is for region eu-de; allowed: exporters of region eu-de',
    ])
  })
  test('an exporter without a region', () => {
    expect(changed('x, region: eu-de', 'x')).toEqual([
      'gw.yaml:7:3 exporters.otlp_http/de: needs a region, since residency is used; allowed: eu-de, eu-nl; add region: eu-de to exporters.otlp_http/de',
    ])
  })
  test('an exporter of a region that nobody knows', () => {
    expect(changed('x, region: eu-de', 'x, region: eu-dee')[0]).toMatch(
      /lies in region eu-dee, but this pipeline is for region eu-de.*did you mean eu-de\?/,
    )
  })
  test('an exporter that is reached around the connector', () => {
    expect(changed('exporters: [residency]', 'exporters: [residency, otlp_http/de]')).toEqual([
      'gw.yaml:12:58 service.pipelines.logs/in.exporters[1]: records would go around residency: otlp → logs/in → otlp_http/de; export to residency instead',
    ])
    expect(
      changed(
        'receivers: [residency], exporters: [otlp_http/de',
        'receivers: [residency, otlp], exporters: [otlp_http/de',
      )[0],
    ).toMatch(/records would go around residency: otlp → logs\/de → otlp_http\/de/)
  })
  test('but a local exporter may look at what comes in', () => {
    expect(changed('exporters: [residency]', 'exporters: [residency, debug]')).toEqual([])
  })
  test('a region whose pipeline is not defined, or not fed', () => {
    expect(changed('logs/de ', 'logs/dee ', 'policy')[0]).toMatch(
      /^gw\.yaml:5:24 connectors\.residency\.policy: region eu-de names the pipeline "logs\/dee", which is not defined; allowed: logs\/de, logs\/nl; did you mean logs\/de\?/,
    )
    expect(changed('logs/de: { receivers: [residency]', 'logs/de: { receivers: [otlp]').join('\n')).toMatch(
      /region eu-de names the pipeline logs\/de, which does not receive from residency; put residency under its receivers/,
    )
  })
  test('two regions that share a pipeline', () => {
    expect(changed('logs/nl', 'logs/de', 'policy').join('\n')).toMatch(
      /otlp_http\/de lies in region eu-de, but this pipeline is for region eu-nl/,
    )
  })
  test('a policy that is wrong, told with its own file', () => {
    expect(changed('1mo', '1 month', 'policy')[0]).toMatch(
      /^policy\.yaml:6:23 purposes\.usage\.retention: not a retention/,
    )
  })
})

describe('what stands around the connector', () => {
  test('no processors behind it', () => {
    const text = config
      .replace('connectors:', 'processors: { minimize: }\nconnectors:')
      .replace('logs/de: {', 'logs/de: { processors: [minimize],')
    expect(told(load({ 'gw.yaml': text, 'policy.yaml': policy }))[0]).toMatch(
      /logs\/de\.processors: processors would change records after the policy was applied to them; move them/,
    )
  })
  test('no second one beside it', () => {
    const text = config
      .replace('connectors:', 'connectors:\n  residency/2: { policy: policy.yaml }')
      .replaceAll('[residency]', '[residency, residency/2]')
    expect(told(load({ 'gw.yaml': text, 'policy.yaml': policy }))).toEqual([
      expect.stringMatching(/logs\/in\.exporters: residency and residency\/2 could contradict each other/),
    ])
  })
  test('a tenant has a source that there is', () => {
    expect(changed('{ http: }', '{ http: }, tenant: { from: [header] }')).toEqual([
      'gw.yaml:3:50 receivers.otlp.tenant.from[0]: "header" is no source of a tenant; allowed: credential, resource.attributes["KEY"].',
    ])
  })
})

describe('pipelines', () => {
  test('a cycle', () => {
    expect(changed('[otlp_http/de, debug]', '[residency]').join('\n')).toMatch(
      /records would go round for ever: logs\/de → logs\/de; take the connector off one of them/,
    )
  })
  test('a connector that feeds nothing, or gets nothing', () => {
    expect(changed(/ {4}logs\/de.*\n.*\n/, '').join('\n')).toMatch(/connectors\.residency: feeds no pipeline/)
    expect(changed('exporters: [residency]', 'exporters: [debug]').join('\n')).toMatch(
      /connectors\.residency: gets nothing/,
    )
  })
  test('a pipeline that no region names gets a warning', () => {
    const text = `${config}    logs/spare: { receivers: [residency], exporters: [debug] }\n`
    const { problems, warnings } = load({ 'gw.yaml': text, 'policy.yaml': policy })
    expect(problems).toEqual([])
    expect(told({ problems: warnings })[0]).toMatch(
      /logs\/spare: receives from residency, but no region of policy\.yaml names it/,
    )
  })
  test('what nobody uses gets a warning', () => {
    const { config: good, warnings } = load({ 'gw.yaml': config.replace(', debug]', ']'), 'policy.yaml': policy })
    expect(good).toBeDefined()
    expect(told({ problems: warnings })).toEqual([
      'gw.yaml:9:3 exporters.debug: is defined but no pipeline uses it; use or remove it',
    ])
  })
})

describe('listeners', () => {
  test('an endpoint that others can reach needs an authenticator', () => {
    expect(changed('{ http: }', '{ http: { endpoint: "0.0.0.0:4318" } }')).toEqual([
      'gw.yaml:3:42 receivers.otlp.protocols.http.endpoint: 0.0.0.0:4318 can be reached from other machines, and nobody is asked who he is; set auth.authenticator (api_keys, oidc, mutual_tls), or listen on 127.0.0.1.',
    ])
  })
  test('an authenticator has to be defined', () => {
    expect(changed('{ http: }', '{ http: }, auth: { authenticator: api_key }')).toEqual([
      'gw.yaml:3:56 receivers.otlp.auth.authenticator: no authenticator "api_key" is defined under extensions; allowed: none is defined',
    ])
    const open = '{ http: { endpoint: "0.0.0.0:4318" } }, auth: { authenticator: api_keys }'
    const text = `${config.replace('{ http: }', open)}extensions: { api_keys: { file: k } }`
    const loaded = load({ 'gw.yaml': text, 'policy.yaml': policy })
    expect(told(loaded)).toEqual([])
    expect(told({ problems: loaded.warnings })).toEqual([
      'gw.yaml:3:42 receivers.otlp.protocols.http.endpoint: credentials and records come to it unencrypted from other machines; set tls',
    ])
    expect(loaded.config?.extensions.get('api_keys')?.options).toEqual({ file: 'k' })
  })
  test('mutual_tls needs an endpoint that asks for certificates', () => {
    const to = (tls: string) =>
      load({
        'gw.yaml': `${config.replace('{ http: }', `{ http: { tls: ${tls} } }, auth: { authenticator: mutual_tls }`)}extensions: { mutual_tls: { } }`,
        'policy.yaml': policy,
      })
    expect(told(to('{ cert_file: c, key_file: k }'))[0]).toBe(
      'gw.yaml:3:30 receivers.otlp.protocols.http: mutual_tls looks at client certificates, and this endpoint asks for none; set tls.client_ca_file to the authorities that sign your clients’ certificates',
    )
    expect(told(to('{ cert_file: c, key_file: k, client_ca_file: a }')).join()).not.toContain('asks for none')
  })
  test('records that leave in plain text get a warning', () => {
    const warned = (from: string, to: string) =>
      told({ problems: load({ 'gw.yaml': config.replace(from, to), 'policy.yaml': policy }).warnings })
    expect(warned('otlp_http/de: { endpoint: x', 'otlp_http/de: { endpoint: "http://logs.example"')).toEqual([
      'gw.yaml:7:29 exporters.otlp_http/de.endpoint: records go to another machine unencrypted; write https://',
    ])
    expect(warned('otlp_http/de: { endpoint: x', 'otlp_http/de: { endpoint: "https://logs.example"')).toEqual([])
    expect(warned('otlp_http/de: { endpoint: x', 'otlp_http/de: { endpoint: "http://[::1]:4318"')).toEqual([])
  })
  test('two listeners on one port', () => {
    expect(changed('{ http: }', '{ http: , grpc: { endpoint: "localhost:4318" } }')).toEqual([
      'gw.yaml:3:24 receivers.otlp.protocols.http.endpoint: port 4318 is already taken by receivers.otlp.protocols.grpc.endpoint; choose another port',
    ])
    expect(changed('{ http: }', '{ http: { endpoint: "127.0.0.1:0" }, grpc: { endpoint: "127.0.0.1:0" } }')).toEqual([])
    expect(changed('service:\n', 'service:\n  telemetry: { metrics: { endpoint: "127.0.0.1:4318" } }\n')[0]).toMatch(
      /telemetry\.metrics\.endpoint: port 4318 is already taken by receivers\.otlp\.protocols\.http\.endpoint/,
    )
  })
  test('the own log is not sent to the gateway itself', () => {
    const to = (url: string) => `service:\n  telemetry: { logs: { endpoint: "${url}" } }\n`
    expect(changed('service:\n', to('http://localhost:4318'))[0]).toMatch(
      /logs\.endpoint: is this gateway's own receiver \(receivers\.otlp\.protocols\.http\.endpoint\): its log would feed itself/,
    )
    expect(changed('service:\n', to('http://127.0.0.1:5318'))).toEqual([])
    expect(changed('service:\n', to('http://user:hunter2@127.0.0.1:5318'))[0]).toMatch(/is not a URL like/)
  })
  test('the admin API stays on this machine', () => {
    const text = `${config}  extensions: [admin]\nextensions: { admin: { endpoint: "0.0.0.0:13134" } }\n`
    expect(told(load({ 'gw.yaml': text, 'policy.yaml': policy }))[0]).toMatch(
      /admin\.endpoint: is not a loopback address/,
    )
  })
})
