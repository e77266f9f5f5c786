/**
 * Endpoints: `host:port` as the Collector writes them, listening on one, and what to say when that fails.
 */
import type { AddressInfo, Server } from 'node:net'
import { DependencyError } from '../errors.ts'

export interface Endpoint {
  /** Empty: all interfaces. */
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:4318`, `localhost:0`, `[::1]:4317`, `:4318` (all interfaces); undefined for anything else. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  return port > 65_535 ? undefined : { host: match[1] ?? match[2] ?? '', port }
}

/** True where only this machine can connect. A name other than `localhost` may mean anything: false. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}

/**
 * So many connections at once; further ones are closed. Among several workers Node would pass them from one full worker to
 * the next for ever, unless told to drop them (its types do not know the property yet).
 */
export function boundConnections(server: Server, connectionsMax: number): void {
  Object.assign(server, { maxConnections: connectionsMax, dropMaxConnection: true })
}

/** Listens; gives the real `host:port`. Rejects with `DependencyError` that says what to do. */
export function listen(server: Server, text: string): Promise<string> {
  const endpoint = parseEndpoint(text)!
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(explain(error, text))
    server.once('error', failed)
    server.listen({ port: endpoint.port, ...(endpoint.host !== '' && { host: endpoint.host }) }, () => {
      server.off('error', failed)
      const { address, family, port } = server.address() as AddressInfo
      resolve(family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`)
    })
  })
}

function explain(error: NodeJS.ErrnoException, endpoint: string): DependencyError {
  switch (error.code) {
    case 'EADDRINUSE':
      return new DependencyError(
        `${endpoint} is in use by another program.`,
        'Stop that program (perhaps another gateway or a Collector), or set another port in the endpoint.',
      )
    case 'EACCES':
      return new DependencyError(`This user may not listen on ${endpoint}.`, 'Take a port above 1023.')
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new DependencyError(
        `${endpoint} is no address of this machine.`,
        'Set the endpoint to 127.0.0.1 or to an address that this machine has.',
      )
    default:
      return new DependencyError(`Cannot listen on ${endpoint} (${error.code ?? 'unknown reason'}).`)
  }
}
