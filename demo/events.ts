/**
 * What a document editor would log in a morning: realistic records with what such records really carry, addresses,
 * names, tokens and texts of users included. Seeded, so that every run sends the same.
 */
import { type LogRecord, SeverityNumber } from '@opentelemetry/api'

export const tenants = ['acme', 'globex', 'initech', 'umbrella'] as const
export const recordsPerTenant = 80

type Event = Pick<LogRecord, 'eventName' | 'severityNumber' | 'severityText' | 'body' | 'attributes'>

const people = ['mara.lindqvist', 'tom.okafor', 'ines.moreau', 'jan.de.vries', 'lena.hofmann']
const documents = ['offer 2026-114', 'lease, Kanalstraße 8', 'minutes of the board', 'works agreement']
const comments = [
  'please call me on +49 30 901820 before Friday',
  'the invoice goes to billing@customer.example, card 4111 1111 1111 1111',
  'IBAN DE89 3704 0044 0532 0130 00 is the right one',
  'looks good to me',
]

/** The numbers of mulberry32, [0, 1). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The records of one tenant, in the order of the morning. */
export function eventsOf(tenant: string): Event[] {
  const next = random(tenant.length * 7919 + tenant.charCodeAt(0))
  const one = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!
  return Array.from({ length: recordsPerTenant }, (_, n) => {
    const person = one(people)
    const who = {
      'enduser.id': `${tenant}-${person}`,
      'enduser.email': `${person}@${tenant}.example`,
      'client.address': `203.0.113.${1 + Math.floor(next() * 250)}`,
    }
    return kinds[n % kinds.length]!(who, one(documents), one(comments), one([84, 120, 310, 922]))
  })
}

type Who = Readonly<Record<'enduser.id' | 'enduser.email' | 'client.address', string>>

const info = { severityNumber: SeverityNumber.INFO, severityText: 'INFO' }

const kinds: readonly ((who: Who, document: string, comment: string, n: number) => Event)[] = [
  (who) => ({
    ...info,
    eventName: 'auth.login',
    body: `${who['enduser.email']} signed in from ${who['client.address']}`,
    attributes: { ...who, 'http.request.method': 'POST', 'http.response.status_code': 200 },
  }),
  (who, document) => ({
    ...info,
    eventName: 'document.opened',
    body: `opened "${document}"`,
    attributes: { ...who, 'document.id': `doc-${document.length}` },
  }),
  (who, document, _, n) => ({
    ...info,
    eventName: 'export.docx',
    body: `exported "${document}"`,
    attributes: { ...who, 'export.pages': n, 'export.format': 'docx' },
  }),
  (who, document, comment, n) => ({
    severityNumber: SeverityNumber.ERROR,
    severityText: 'ERROR',
    eventName: 'document.save',
    body: `could not save "${document}" for ${who['enduser.email']}: ${comment}`,
    attributes: { ...who, comment, 'exception.type': 'ConflictError', 'db.response.time_ms': n },
  }),
  (who, _, __, n) => ({
    ...info,
    body: `GET /api/documents?user=${who['enduser.email']} 200 ${n} ms`,
    attributes: { ...who, 'url.path': '/api/documents', 'http.response.status_code': 200 },
  }),
]
