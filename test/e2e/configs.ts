/** Configurations of the end-to-end tests, on free ports, into destinations that a test runs itself. */

const service = (pipelines: string, authenticators = ''): string => `
extensions: { health_check: { endpoint: 127.0.0.1:0 }, admin: { endpoint: 127.0.0.1:0 }${authenticators} }
service:
  extensions: [health_check, admin]
  telemetry: { metrics: { endpoint: 127.0.0.1:0 } }
  pipelines:
${pipelines}`

const receivers = (more = ''): string => `
receivers:
  otlp:
    protocols: { grpc: { endpoint: 127.0.0.1:0 }, http: { endpoint: 127.0.0.1:0 } }
${more}`

/** Retries quickly, so that tests need not wait. */
export const quickRetry = 'retry_on_failure: { initial_interval: 50ms, max_interval: 200ms }'

/** No processors, no residency. `exporters`: by id, the options in YAML's flow style, without braces. */
export function passThrough(exporters: Record<string, string>): string {
  const lines = Object.entries(exporters).map(([id, options]) => `  ${id}: { ${options} }`)
  const ids = Object.keys(exporters).join(', ')
  return `${receivers()}
exporters:
${lines.join('\n')}
${service(`    logs: { receivers: [otlp], exporters: [${ids}] }`)}`
}

/** Purposes and the residency route into a local region and the central one. `keys`: a file of API keys, if any. */
export function routed(local: string, central: string, keys?: string): string {
  const auth = keys === undefined ? '' : '    auth: { authenticator: api_keys }\n'
  const pipelines = `    logs/in: { receivers: [otlp], processors: [tag_purpose, encrypt], exporters: [residency] }
    logs/local: { receivers: [residency], exporters: [otlp_http/local] }
    logs/central: { receivers: [residency], exporters: [otlp_http/central] }`
  return `${receivers(`${auth}    tenant: { from: [credential, 'resource.attributes["tenant.id"]'] }`)}
processors:
  tag_purpose:
    rules:
      - { purpose: security, when: 'HasPrefix(log.event_name, "auth.")' }
      - { purpose: [usage, billing], when: 'log.attributes["event.kind"] == "export"' }
    default: [support]
  encrypt: { fields: [log.body, 'log.attributes["comment"]'] }
connectors: { residency: { policy: residency.yaml } }
exporters:
  otlp_http/local: { region: eu-de, endpoint: "${local}", ${quickRetry} }
  otlp_http/central: { region: eu-nl, endpoint: "${central}", ${quickRetry} }
${service(pipelines, keys === undefined ? '' : `, api_keys: { file: ${keys} }`)}`
}

export const residency = (tenants: string, byDefault = 'quarantine'): string => `
regions:
  eu-de: { jurisdiction: [DE, EU], pipeline: logs/local }
  eu-nl: { jurisdiction: [NL, EU], pipeline: logs/central, central: true }
purposes:
  security: { description: attacks, retention: 18mo, content: encrypt }
  support: { description: support, retention: 1mo, content: encrypt }
  billing: { description: invoices, retention: 7y, content: drop }
  usage: { description: features, retention: 1mo, content: drop }
tenants:
${tenants}
default: { residency: ${byDefault} }
`

export const threeTenants = `
  acme: { residency: local, region: eu-de }
  globex: { residency: central }
  initech: { residency: split, region: eu-de, central_purposes: [billing, usage] }`
