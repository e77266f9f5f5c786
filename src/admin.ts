/**
 * The admin API: what `douane status` and other verbs ask a running gateway. Loopback only, JSON only, no payload.
 */
import Fastify from 'fastify'
import type { AdminOptions } from '../config/service.ts'
import { DependencyError } from './errors.ts'
import type { Gateway } from './gateway.ts'
import { parseEndpoint } from './receive/listen.ts'

export interface Admin {
  readonly endpoint: string
  close(): Promise<void>
}

/** Starts the API where the configuration asks for it. Rejects with `DependencyError` when its port is taken. */
export async function startAdmin(gateway: Gateway): Promise<Admin | undefined> {
  const options = gateway.config.extensions.get('admin')?.options as AdminOptions | undefined
  if (options === undefined) return undefined
  const app = Fastify({ logger: false })
  // A page in a browser on this machine must not be able to ask: it cannot set this header without a preflight.
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers['origin'] !== undefined) await reply.code(403).send({ error: 'no browsers' })
  })
  app.get('/v1/status', () => gateway.status())
  app.get('/v1/health', () => gateway.telemetry.health.report())
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
