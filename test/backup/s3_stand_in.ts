/**
 * A stand-in for S3: the four requests that backups make, in memory, with lists in pages of three. It recomputes each
 * signature from the request as it came in, by its own reading of the rules. The real server is in the slow suite.
 */
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export const standInKeys = { access_key_id: 'AKIDSTANDIN', secret_access_key: 'stand-in secret' }

export interface StandIn {
  readonly endpoint: string
  readonly objects: Map<string, Buffer>
  /** Answers of this status are given first, without doing anything. */
  fail(status: number, times: number): void
  close(): Promise<void>
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

function isSigned(request: IncomingMessage, body: Buffer): boolean {
  const match =
    /Credential=([^/]+)\/(\d+)\/([\w-]+)\/s3\/aws4_request, ?SignedHeaders=([\w;-]+), ?Signature=(\w+)$/.exec(
      request.headers.authorization ?? '',
    )
  const [, id, day = '', region = '', names = '', signature] = match ?? []
  const [path = '', search = ''] = request.url!.split('?')
  const headers = names.split(';').map((name) => `${name}:${String(request.headers[name])}\n`)
  const canonical = [request.method, path, search.split('&').sort().join('&'), headers.join(''), names, sha(body)]
  const date = String(request.headers['x-amz-date'])
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${region}/s3/aws4_request`, sha(canonical.join('\n'))].join('\n')
  const dayKey = hmac(`AWS4${standInKeys.secret_access_key}`, day)
  const key = hmac(hmac(hmac(dayKey, region), 's3'), 'aws4_request')
  const isNow = Math.abs(Date.parse(date.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5')) - Date.now()) < 60_000
  return isNow && id === standInKeys.access_key_id && signature === hmac(key, text).toString('hex')
}

const pageSize = 3

function listed(objects: Map<string, Buffer>, query: URLSearchParams): string {
  const all = [...objects.keys()].filter((name) => name.startsWith(query.get('prefix') ?? '')).toSorted()
  const from = Number(query.get('continuation-token') ?? 0)
  const page = all
    .slice(from, from + pageSize)
    .map((name) => `<Contents><Key>${name.replaceAll('&', '&amp;')}</Key></Contents>`)
  const next = from + pageSize < all.length ? `<NextContinuationToken>${from + pageSize}</NextContinuationToken>` : ''
  return `<?xml version="1.0"?><ListBucketResult>${page.join('')}${next}</ListBucketResult>`
}

export async function startStandIn(bucket: string): Promise<StandIn> {
  const objects = new Map<string, Buffer>()
  const failing = { status: 0, times: 0 }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const refuse = (status: number, code: string) =>
      response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`)
    if (failing.times-- > 0) return refuse(failing.status, 'SlowDown')
    if (!isSigned(request, body)) return refuse(403, 'SignatureDoesNotMatch')
    const url = new URL(request.url!, 'http://stand.in')
    const [, inBucket, ...rest] = decodeURIComponent(url.pathname).split('/')
    if (inBucket !== bucket) return refuse(404, 'NoSuchBucket')
    const key = rest.join('/')
    if (request.method === 'PUT') objects.set(key, body)
    else if (request.method === 'DELETE') objects.delete(key)
    else if (key === '') return response.end(listed(objects, url.searchParams))
    else return objects.has(key) ? response.end(objects.get(key)) : refuse(404, 'NoSuchKey')
    return response.writeHead(request.method === 'PUT' ? 200 : 204).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    objects,
    fail: (status, times) => Object.assign(failing, { status, times }),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
