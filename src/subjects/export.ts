/**
 * Everything that is stored about a person, as lines of JSON or OTLP/JSON: each region's rows go to a place in that region.
 *
 * A place is a folder or bucket of the extension `subject_requests`, or the data directory for embedded stores, whose
 * rows are there already. A store by URL without a place in its region is refused: its rows would end up where this
 * command runs. Sealed values are opened with the keys that are here, which the access audit shows one by one.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { jsonLine } from '../../exporters/postgres/format.ts'
import { otlpLines } from '../../exporters/postgres/otlp_lines.ts'
import { type PersonRows, personCondition } from '../../exporters/postgres/people.ts'
import { queryRows, toRecord } from '../../exporters/postgres/query.ts'
import { FolderPlace } from '../backup/folder_place.ts'
import { type BackupPlace, openPlace } from '../backup/place.ts'
import { ConfigError } from '../errors.ts'
import { type DecryptCounts, type DecryptOptions, decryptStream, noCounts } from '../keys/decrypt.ts'
import { limits } from '../limits.ts'
import { optionsOf, type RegionStore, type Request } from './request.ts'
import { summarize, summaryText } from './summary.ts'

/** `jsonl`: as `query` shows them. `otlp`: OTLP/JSON requests that any OTLP receiver takes. */
export type ExportFormat = 'jsonl' | 'otlp'
/** How rows are written, and what opens the keys here. */
export interface ExportOptions extends Pick<DecryptOptions, 'passphrase' | 'providers'> {
  readonly format: ExportFormat
}

export interface Exported {
  readonly store: string
  readonly region: string
  /** Where its files are: a folder, or a bucket with a prefix. */
  readonly place: string
  readonly records: number
  readonly files: readonly { readonly name: string; readonly sha256: string }[]
  /** Sealed values that were opened, and those that stay closed. */
  readonly opened: number
  readonly closed: number
}

/** The place of a region. Throws `ConfigError` where there is none for a store that is elsewhere. */
function placeOf({ asked }: Request, store: RegionStore): BackupPlace {
  const { options, resolve } = optionsOf(asked.config)
  const place = options.places[store.region]
  if (place) return openPlace(place, resolve)
  if (store.options.url === 'embedded') {
    return new FolderPlace(join(asked.dataDir, 'subjects', 'exports', store.region))
  }
  throw new ConfigError(
    `there is no place in region ${store.region} for what ${store.id} holds`,
    ['extensions', 'subject_requests', 'places', store.region],
    'Name a folder or bucket in that region: docs/subjects.md.',
  )
}

/** Before anything is read: every store has a place. */
export async function exportRows(request: Request, options: ExportOptions): Promise<Exported[]> {
  const places = request.stores.map((store) => ({ store, place: placeOf(request, store) }))
  const done: Exported[] = []
  try {
    for (const { store, place } of places) {
      const exported = await exportStore(request, store, place, options)
      await request.keep('open', 'exported', { ...exported })
      done.push(exported)
    }
  } finally {
    for (const { place } of places) await place.close()
  }
  return done
}

async function exportStore(
  request: Request,
  store: RegionStore,
  place: BackupPlace,
  { format, ...keys }: ExportOptions,
): Promise<Exported> {
  const { asked, head, rows, keysFolders } = request
  const folder = `${head.request}/${store.id.replaceAll('/', '.')}`
  const [dir = '', ...gateways] = keysFolders
  const counts = noCounts()
  const options = { dir, gateways, reason: head.reason, counts, ...keys, ...(asked.who && { who: asked.who }) }
  const files: { name: string; sha256: string }[] = []
  let records = 0
  let text: Buffer[] = []
  let bytes = 0
  const put = async (name: string, content: Buffer) => {
    await place.put(`${folder}/${name}`, content)
    files.push({ name: `${folder}/${name}`, sha256: createHash('sha256').update(content).digest('hex') })
    text = []
    bytes = 0
  }
  const ending = format === 'otlp' ? 'otlp.jsonl' : 'jsonl'
  const nextName = () => `rows-${String(files.length + 1).padStart(4, '0')}.${ending}`
  const lines = storedLines(store, rows, format, () => records++)
  for await (const line of decryptStream(lines, options)) {
    const content = Buffer.from(`${line}\n`)
    if (bytes > 0 && bytes + content.length > limits.exportFileBytesMax) await put(nextName(), Buffer.concat(text))
    text.push(content)
    bytes += content.length
  }
  if (bytes > 0) await put(nextName(), Buffer.concat(text))
  const kept = await summarize({ ...request, stores: [store] })
  await put('summary.txt', Buffer.from(summaryText(kept, asked.config, [store.region])))
  return {
    store: store.id,
    region: store.region,
    place: place.name,
    records,
    files,
    opened: counts.opened,
    closed: closedIn(counts),
  }
}

const closedIn = ({ refused, unknown, destroyed, damaged }: DecryptCounts): number =>
  refused + unknown + destroyed + damaged

/** The rows as lines; `counted` is told of each. */
async function* storedLines(
  store: RegionStore,
  person: PersonRows,
  format: ExportFormat,
  counted: () => void,
): AsyncGenerator<string> {
  const query = { where: personCondition(person) }
  const rows = async function* () {
    for await (const row of queryRows(store, query)) {
      counted()
      yield row
    }
  }
  if (format === 'otlp') yield* otlpLines(rows())
  else for await (const row of rows()) yield jsonLine(toRecord(row))
}
