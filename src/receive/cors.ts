/**
 * Cross-origin requests from browsers, as the Collector's `cors` does them: origins with `*`, echoed back one by one.
 */
import type { CorsConfig } from './config.ts'

export interface Cors {
  /** The headers that let a page of this origin read the answer; undefined where it may not. */
  headers(origin: string): Record<string, string> | undefined
  /** The headers that answer a preflight, besides those of `headers`. */
  readonly preflight: Readonly<Record<string, string>>
}

export function corsOf(config: CorsConfig): Cors {
  const patterns = config.allowed_origins.map(originPattern)
  return {
    headers(origin) {
      if (!patterns.some((pattern) => pattern.test(origin))) return undefined
      return { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true', vary: 'Origin' }
    },
    preflight: {
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': ['content-type', 'content-encoding', 'authorization', 'x-api-key']
        .concat(config.allowed_headers.map((name) => name.toLowerCase()))
        .join(', '),
      ...(config.max_age > 0 && { 'access-control-max-age': String(config.max_age) }),
    },
  }
}

/** `*` stands for any run of characters; everything else for itself, case-insensitive. */
function originPattern(origin: string): RegExp {
  const literal = origin.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${literal.join('.*')}$`, 'i')
}
