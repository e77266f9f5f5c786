/**
 * The admin API: what `douane status` and other verbs ask a running gateway. Loopback only, JSON only, no payload.
 */
import Fastify from 'fastify'
import type { GatewayConfig } from '../config/gateway_config.ts'
import type { AdminOptions } from '../config/service.ts'
import { type SetAside, setAsideOf, setAsideRoutes } from './admin/set_aside.ts'
import { type UsageSource, usageRoutes } from './admin/usage.ts'
import type { Log } from './contract.ts'
import { DependencyError, DouaneError } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { parseEndpoint } from './receive/listen.ts'
import type { GatewayStatus } from './status.ts'
import type { HealthReport } from './telemetry/health.ts'

/** What the API tells of: a gateway, or all workers of one. */
export interface Administered {
  readonly log: Log
  /** Where it listens; undefined: it is not asked for. */
  readonly options: AdminOptions | undefined
  status(): Promise<GatewayStatus>
  inspect(type: string): Record<string, unknown>
  health(): HealthReport
  readonly setAside: SetAside
  /** What is in force. */
  config(): GatewayConfig
}

export const administered = (gateway: Gateway): Administered => ({
  log: gateway.log,
  options: adminOptions(gateway.config),
  status: async () => gateway.status(),
  inspect: (type) => gateway.inspect(type),
  health: () => gateway.telemetry.health.report(),
  setAside: setAsideOf(gateway),
  config: () => gateway.config,
})

export const adminOptions = (config: GatewayConfig): AdminOptions | undefined =>
  config.extensions.get('admin')?.options as AdminOptions | undefined

export interface Admin {
  readonly endpoint: string
  close(): Promise<void>
}

/** Starts the API where the configuration asks for it. Rejects with `DependencyError` when its port is taken. */
export async function startAdmin(of: Administered, stores: UsageSource['stores']): Promise<Admin | undefined> {
  const { options } = of
  if (options === undefined) return undefined
  const app = Fastify({ logger: false })
  // A page in a browser on this machine must not be able to ask: it says where it comes from, or calls us by its name.
  app.addHook('onRequest', async (request, reply) => {
    const isOurs = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?$/.test(request.headers.host ?? 'localhost')
    if (request.headers['origin'] !== undefined || !isOurs) await reply.code(403).send({ error: 'no browsers' })
  })
  app.setErrorHandler(async (error, _request, reply) => {
    if (error instanceof DouaneError && error.code !== 'defect') {
      const { message, fix } = error
      await reply.code(error.code === 'config' ? 400 : 503).send({ error: message, ...(fix !== undefined && { fix }) })
      return
    }
    const status = (error as { statusCode?: number }).statusCode
    if (status !== undefined && status < 500) await reply.code(status).send({ error: 'the request cannot be read' })
    else {
      of.log.error('admin_failed', { error: error instanceof Error ? error.name : typeof error })
      await reply.code(500).send({ error: 'internal error' })
    }
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'nothing is here' }))
  app.get('/v1/status', () => of.status())
  app.get('/v1/clocks', () => of.inspect('normalize_clock'))
  app.get('/v1/health', () => of.health())
  setAsideRoutes(app, of.setAside)
  usageRoutes(app, { config: () => of.config(), stores })
  const { host, port } = parseEndpoint(options.endpoint)!
  try {
    await app.listen({ host, port })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new DependencyError(
      `The admin API cannot listen on ${host}:${port} (${code}).`,
      'Stop what uses the port, or set extensions.admin.endpoint to another one.',
    )
  }
  const address = app.server.address()
  const realPort = typeof address === 'object' && address !== null ? address.port : port
  return { endpoint: `${host.includes(':') ? `[${host}]` : host}:${realPort}`, close: () => app.close() }
}
