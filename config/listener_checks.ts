/**
 * Who listens where: receivers that would be open to everybody, two listeners on one port, and an own log that is sent
 * to the gateway itself, where each record about the log would make another one.
 */
import { ConfigError } from '../src/errors.ts'
import { parseTenantSources } from '../src/pipeline/tenant.ts'
import { isLoopback, parseEndpoint } from '../src/receive/listen.ts'
import { checkEndpoints } from '../src/receive/otlp.ts'
import type { Found } from './cross_checks.ts'
import { type ConfigPath, listed, type Problem, pathText, problemAt, suggestion } from './problem.ts'
import { spotOf, type Tree } from './tree.ts'

/** What `check` throws, as a problem. */
function refusals(tree: Tree, base: ConfigPath, check: () => void): Problem[] {
  try {
    check()
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const path = [...base, ...error.path]
    return [problemAt(spotOf(tree, path), path, { what: error.message, ...(error.fix && { fix: error.fix }) })]
  }
}

interface Listener {
  readonly path: ConfigPath
  readonly host: string
  readonly port: number
}

export function checkListeners(found: Found, tree: Tree): Problem[] {
  const listeners = listenersOf(found)
  return [...authentication(found, tree), ...collisions(listeners, tree), ...ownLog(found, listeners, tree)]
}

function authentication({ receivers, extensions }: Found, tree: Tree): Problem[] {
  const problems: Problem[] = []
  for (const [id, { options }] of receivers) {
    const base = ['receivers', id]
    problems.push(...refusals(tree, base, () => void parseTenantSources(options.tenant.from, ['tenant', 'from'])))
    if (options.auth) {
      const path = [...base, 'auth', 'authenticator']
      const name = options.auth.authenticator
      const known = [...extensions.keys()].filter((each) => !/^(?:health_check|admin)(?:\/|$)/.test(each))
      if (extensions.has(name)) continue
      const what = `no authenticator ${JSON.stringify(name)} is defined under extensions`
      problems.push(problemAt(spotOf(tree, path), path, { what, allowed: listed(known), ...suggestion(name, known) }))
      continue
    }
    problems.push(...refusals(tree, base, () => checkEndpoints(options, undefined)))
  }
  return problems
}

function listenersOf({ receivers, extensions, service }: Found): Listener[] {
  const listeners: Listener[] = []
  const add = (path: ConfigPath, text: unknown): void => {
    const endpoint = typeof text === 'string' ? parseEndpoint(text) : undefined
    if (endpoint) listeners.push({ path, ...endpoint })
  }
  for (const [id, { options }] of receivers) {
    for (const protocol of ['grpc', 'http'] as const) {
      add(['receivers', id, 'protocols', protocol, 'endpoint'], options.protocols[protocol]?.endpoint)
    }
  }
  for (const [id, { options }] of extensions) {
    if (!service.extensions?.includes(id)) continue
    add(['extensions', id, 'endpoint'], (options as { endpoint?: unknown }).endpoint)
  }
  add(['service', 'telemetry', 'metrics', 'endpoint'], service.telemetry?.metrics?.endpoint)
  return listeners
}

function collisions(listeners: readonly Listener[], tree: Tree): Problem[] {
  return listeners.flatMap((listener, index) => {
    const earlier = listeners.slice(0, index).find((each) => overlap(each, listener))
    if (!earlier) return []
    const what = `port ${listener.port} is already taken by ${pathText(earlier.path)}`
    return [problemAt(spotOf(tree, listener.path), listener.path, { what, fix: 'choose another port' })]
  })
}

const overlap = (a: Listener, b: Listener): boolean =>
  a.port !== 0 &&
  a.port === b.port &&
  (a.host === b.host || isAny(a.host) || isAny(b.host) || bothLocal(a.host, b.host))
const isAny = (host: string): boolean => host === '' || host === '0.0.0.0' || host === '::'
const bothLocal = (a: string, b: string): boolean =>
  (a === 'localhost' || b === 'localhost') && isLoopback(a) && isLoopback(b)

function ownLog({ service }: Found, listeners: readonly Listener[], tree: Tree): Problem[] {
  const endpoint = service.telemetry?.logs?.endpoint
  const url = endpoint === undefined ? null : URL.parse(endpoint)
  if (!url) return []
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const own = listeners.find((each) => {
    return (
      each.path[0] === 'receivers' &&
      each.port === port &&
      (each.host === host || isAny(each.host) || bothLocal(each.host, host))
    )
  })
  if (!own) return []
  const path = ['service', 'telemetry', 'logs', 'endpoint']
  const what = `is this gateway's own receiver (${pathText(own.path)}): its log would feed itself`
  return [problemAt(spotOf(tree, path), path, { what, fix: 'send the own log somewhere else' })]
}
