/**
 * Backups in S3-compatible object storage. One object a request: parts are bounded, so a single PUT is enough, and it
 * is whole or not there. Requests that fail for the moment (no answer, 429, 5xx) are tried again with longer waits.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { S3Options } from '../../config/backup_options.ts'
import { DependencyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { BackupPlace } from './place.ts'
import { encodePart, queryText, signed } from './s3_signature.ts'

interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE'
  /** Within the bucket; '' for the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}
interface Answer {
  readonly status: number
  readonly body: Buffer
}

const nothing = new Uint8Array()
const fixes: Record<string, string> = {
  AccessDenied: 'Give this access key the right to read, write, list and delete in the bucket.',
  NoSuchBucket: 'Make the bucket, or correct `bucket`.',
  InvalidAccessKeyId: 'Check `access_key_id`.',
  SignatureDoesNotMatch: 'Check `secret_access_key` and `signing_region`.',
  AuthorizationHeaderMalformed: 'Check `signing_region`.',
  RequestTimeTooSkewed: "Set this machine's clock right.",
}

export class S3Place implements BackupPlace {
  readonly name: string
  readonly #options: S3Options
  readonly #origin: URL
  readonly #prefix: string
  readonly #agent = new Agent({
    connect: { timeout: limits.exportConnectMs },
    headersTimeout: limits.backupAnswerMsMax,
    bodyTimeout: limits.backupAnswerMsMax,
  })

  constructor(options: S3Options) {
    this.#options = options
    this.#origin = new URL(options.endpoint)
    if (!options.path_style) this.#origin.hostname = `${options.bucket}.${this.#origin.hostname}`
    this.#prefix = options.prefix === '' ? '' : `${options.prefix}/`
    this.name = `${options.endpoint}/${options.bucket}/${this.#prefix}`
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#call({ method: 'PUT', key: this.#prefix + name, body: bytes })
  }

  async get(name: string): Promise<Buffer | undefined> {
    const { status, body } = await this.#call({ method: 'GET', key: this.#prefix + name })
    return status === 404 ? undefined : body
  }

  async list(prefix: string): Promise<string[]> {
    const names: string[] = []
    for (let token: string | undefined; ; ) {
      const query = {
        'list-type': '2',
        prefix: this.#prefix + prefix,
        ...(token !== undefined && { 'continuation-token': token }),
      }
      const text = (await this.#call({ method: 'GET', key: '', query })).body.toString('utf8')
      for (const [, key] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) names.push(plain(key!).slice(this.#prefix.length))
      token = plain(/<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(text)?.[1] ?? '')
      if (token === '') return names.toSorted()
    }
  }

  async remove(name: string): Promise<void> {
    await this.#call({ method: 'DELETE', key: this.#prefix + name })
  }

  close(): Promise<void> {
    return this.#agent.close()
  }

  async #call(call: Call): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#try(call)
      if (typeof answer !== 'string' && (answer.status < 300 || (answer.status === 404 && isMissing(answer, call)))) {
        return answer
      }
      const isPassing = typeof answer === 'string' || answer.status === 429 || answer.status >= 500
      if (!isPassing || attempt === limits.backupTriesMax) throw this.#refusal(call, answer)
      await sleep(limits.backupRetryMs * 2 ** (attempt - 1))
    }
  }

  /** The answer, or the code of why there is none. */
  async #try({ method, key, query = {}, body = nothing }: Call): Promise<Answer | string> {
    const { bucket, path_style, access_key_id, secret_access_key, session_token, signing_region } = this.#options
    const base = this.#origin.pathname.replace(/\/$/, '')
    const path = `${base}/${[...(path_style ? [bucket] : []), ...(key === '' ? [] : key.split('/'))].map(encodePart).join('/')}`
    const credentials = {
      accessKeyId: access_key_id,
      secretAccessKey: secret_access_key,
      sessionToken: session_token,
    }
    const { host } = this.#origin
    const headers = signed({ method, host, path, query, body }, credentials, signing_region, Date.now())
    const search = queryText(query)
    try {
      const response = await request(`${this.#origin.origin}${path}${search === '' ? '' : `?${search}`}`, {
        method,
        headers,
        dispatcher: this.#agent,
        ...(method === 'PUT' && { body }),
      })
      return { status: response.statusCode, body: Buffer.from(await response.body.arrayBuffer()) }
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? 'no answer'
    }
  }

  #refusal({ method }: Call, answer: Answer | string): DependencyError {
    const [status, code] =
      typeof answer === 'string'
        ? [answer, '']
        : [String(answer.status), /<Code>(\w+)<\/Code>/.exec(answer.body.toString('utf8'))?.[1] ?? '']
    const what = `the storage ${this.name} refuses ${method} (${[status, code].filter(Boolean).join(' ')})`
    return new DependencyError(what, fixes[code] ?? 'Check its `endpoint` and `bucket`, and that it can be reached.')
  }
}

/** An object that is not there; a bucket that is not there is a fault. */
const isMissing = ({ body }: Answer, { key }: Call): boolean => key !== '' && !body.includes('NoSuchBucket')

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const plain = (xml: string): string => xml.replace(/&(amp|lt|gt|quot|apos);/g, (_, name) => entities[name]!)
