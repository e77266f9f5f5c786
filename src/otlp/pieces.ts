/**
 * Cuts a large request into smaller ones, so that working on it does not hold up everybody else.
 *
 * The records of all pieces, one after the other, are those of the request, each under its own resource and scope;
 * a resource or a scope without records is in one piece. The bytes of a record are copied as they are. A piece ends
 * when it holds so many records, scopes and resources, or so many bytes; but it is never smaller than the resource and
 * the scope that it repeats, so that all pieces together are at most about twice the request. Same bytes, same pieces.
 * The input has been scanned; bytes without its framing throw `WireError`.
 */
import { limits } from '../limits.ts'
import { Tag } from './fields.ts'
import { readLength, readTag, skipValue, varintLength, wire, writeVarint } from './wire.ts'

/** A message that a piece is inside of: what it holds besides its children, and those that the piece has so far. */
interface Open {
  readonly tag: number
  readonly before: readonly Uint8Array[]
  readonly after: readonly Uint8Array[]
  readonly ownBytes: number
  children: Uint8Array[]
  childBytes: number
  /** No piece has it yet. */
  isNew: boolean
}

/** How much a piece may hold. */
export interface PieceBounds {
  readonly units: number
  readonly bytes: number
}
const usual: PieceBounds = { units: limits.pieceUnitsMax, bytes: limits.pieceBytesMax }

/** The pieces, in order; each is made when it is asked for. */
export function* pieces(body: Uint8Array, bounds: PieceBounds = usual): Generator<Buffer> {
  const isFull = (units: number, bytes: number, repeatedBytes: number): boolean =>
    units > bounds.units || bytes > Math.max(bounds.bytes, repeatedBytes)
  const whole: Open = opened(0, body, 0, 0, 0)
  let units = 0
  for (const { from, to } of fieldsOf(body, 0, body.length, Tag.request.resourceLogs)) {
    const resource = opened(Tag.request.resourceLogs, body, from, to, Tag.resourceLogs.scopeLogs)
    units++
    for (const inScope of fieldsOf(body, from, to, Tag.resourceLogs.scopeLogs)) {
      const scope = opened(Tag.resourceLogs.scopeLogs, body, inScope.from, inScope.to, Tag.scopeLogs.logRecords)
      units++
      const ownBytes = resource.ownBytes + scope.ownBytes
      for (const record of fieldsOf(body, inScope.from, inScope.to, Tag.scopeLogs.logRecords)) {
        const bytes = whole.childBytes + resource.childBytes + scope.childBytes
        if (isFull(++units, bytes, ownBytes)) {
          close(scope, resource)
          close(resource, whole)
          yield flushed(whole)
          units = 1
        }
        add(scope, body.subarray(record.begin, record.to))
      }
      close(scope, resource)
      if (isFull(units, whole.childBytes + resource.childBytes, resource.ownBytes)) {
        close(resource, whole)
        yield flushed(whole)
        units = 0
      }
    }
    close(resource, whole)
    if (isFull(units, whole.childBytes, 0)) {
      yield flushed(whole)
      units = 0
    }
  }
  if (whole.children.length > 0) yield flushed(whole)
}

/** A field, and its content. */
interface Field {
  readonly begin: number
  readonly from: number
  readonly to: number
}

/** All fields with this tag, in order. */
function* fieldsOf(body: Uint8Array, start: number, end: number, wanted: number): Generator<Field> {
  let at = start
  while (at < end) {
    const begin = at
    const tag = readTag(body, at, end)
    const content = wire.at
    at = skipValue(body, tag, content, end)
    if (tag !== wanted) continue
    readLength(body, content, end)
    yield { begin, from: wire.at, to: at }
  }
}

/** A message's other fields: those with lower numbers than its children stay before them. */
function opened(tag: number, body: Uint8Array, start: number, end: number, child: number): Open {
  const before: Uint8Array[] = []
  const after: Uint8Array[] = []
  let ownBytes = 0
  let at = start
  while (at < end) {
    const begin = at
    const found = readTag(body, at, end)
    at = skipValue(body, found, wire.at, end)
    if (found === child) continue
    ;(found < child ? before : after).push(body.subarray(begin, at))
    ownBytes += at - begin
  }
  return { tag, before, after, ownBytes, children: [], childBytes: 0, isNew: true }
}

function add(open: Open, child: Uint8Array): void {
  open.children.push(child)
  open.childBytes += child.length
}

/** Puts what a message has so far into the one around it. Without children it is there once. */
function close(open: Open, around: Open): void {
  if (open.children.length === 0 && !open.isNew) return
  const length = open.ownBytes + open.childBytes
  const head = new Uint8Array(1 + varintLength(length))
  head[0] = open.tag
  writeVarint(head, 1, length)
  for (const part of [head, ...open.before]) add(around, part)
  for (const part of open.children) add(around, part)
  for (const part of open.after) add(around, part)
  open.children = []
  open.childBytes = 0
  open.isNew = false
}

function flushed(whole: Open): Buffer {
  const piece = Buffer.concat(whole.children, whole.childBytes)
  whole.children = []
  whole.childBytes = 0
  return piece
}
