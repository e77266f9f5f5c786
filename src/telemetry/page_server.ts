/**
 * A small HTTP server for one page that machines read: metrics, or health.
 */
import { createServer, type ServerResponse } from 'node:http'
import { limits } from '../limits.ts'
import { listen } from '../receive/listen.ts'
import type { Health } from './health.ts'
import type { Metrics } from './metrics.ts'

export interface PageServer {
  /** The real `host:port`. */
  readonly endpoint: string
  close(): Promise<void>
}

interface Page {
  readonly status: number
  readonly contentType: string
  readonly text: string
}

/** Rejects with `DependencyError` when the port cannot be had. */
export const serveMetrics = (metrics: Pick<Metrics, 'contentType' | 'text'>, endpoint: string): Promise<PageServer> =>
  serve(endpoint, '/metrics', async () => ({
    status: 200,
    contentType: metrics.contentType,
    text: await metrics.text(),
  }))

/** 200 when all is well, else 503; the same JSON with both. Rejects with `DependencyError`. */
export const serveHealth = (health: Pick<Health, 'report'>, endpoint: string, path: string): Promise<PageServer> =>
  serve(endpoint, path, async () => {
    const report = health.report()
    const status = report.status === 'ok' ? 200 : 503
    return { status, contentType: 'application/json', text: `${JSON.stringify(report)}\n` }
  })

async function serve(endpoint: string, path: string, page: () => Promise<Page>): Promise<PageServer> {
  const server = createServer((request, response) => {
    request.resume()
    answer(request.method, request.url?.split('?', 1)[0], path, page).then(
      (found) => write(response, found, request.method === 'HEAD'),
      () => write(response, plainPage(500, 'The page could not be made.'), false),
    )
  })
  server.headersTimeout = limits.headersTimeoutMs
  server.requestTimeout = limits.requestTimeoutMs
  server.maxConnections = limits.pageConnectionsMax
  const real = await listen(server, endpoint)
  server.unref()
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { endpoint: real, close }
}

async function answer(
  method: string | undefined,
  asked: string | undefined,
  path: string,
  page: () => Promise<Page>,
): Promise<Page> {
  if (asked !== path) return plainPage(404, `Nothing here; see ${path}`)
  if (method !== 'GET' && method !== 'HEAD') return plainPage(405, 'Only GET and HEAD.')
  return page()
}

const plainPage = (status: number, text: string): Page => ({ status, contentType: 'text/plain', text: `${text}\n` })

function write(response: ServerResponse, { status, contentType, text }: Page, isHead: boolean): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...(status === 405 && { allow: 'GET, HEAD' }),
  })
  response.end(isHead ? undefined : text)
}
