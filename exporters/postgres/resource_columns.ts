/**
 * The columns that a resource and a scope have in common with all of their rows, and what their writing shares with that
 * of records.
 */
import { Tag } from '../../src/otlp/fields.ts'
import { decodeValue } from '../../src/otlp/value.ts'
import { readLength, readTag, skipValue, wire } from '../../src/otlp/wire.ts'
import type { Range } from './place.ts'
import type { RowBuffer } from './row_buffer.ts'
import { escapeText, writeJsonEntry, writeJsonString, writeText } from './stored_json.ts'

/** The first byte of a JSONB value in binary form. */
export const jsonbVersion = 1
export const comma = 0x2c
const serviceNameKey = Buffer.from('service.name')

/** Calls `visit` with each length-delimited field between start and end, without its tag and length. */
export function eachField(
  source: Buffer,
  start: number,
  end: number,
  visit: (tag: number, start: number, end: number) => void,
): void {
  let at = start
  while (at < end) {
    const tag = readTag(source, at, end)
    if ((tag & 7) !== 2) at = skipValue(source, tag, wire.at, end)
    else {
      const stop = readLength(source, wire.at, end)
      visit(tag, wire.at, stop)
      at = stop
    }
  }
}

/** Whether the KeyValue at `start` begins with this key (shorter than 128 bytes). */
export function keyIs(source: Buffer, key: Buffer, start: number, end: number): boolean {
  const from = start + 2
  if (source[start] !== Tag.keyValue.key || source[start + 1] !== key.length || from + key.length > end) return false
  for (let i = key.length - 1; i >= 0; i--) if (source[from + i] !== key[i]) return false
  return true
}

/** The columns service_name, resource, resource_schema_url. */
export function encodeResource(out: RowBuffer, source: Buffer, resource: Range, schemaUrl: Range): void {
  out.clear()
  const attributes: number[] = []
  let serviceName: string | undefined
  eachField(source, resource.start, resource.end, (tag, from, to) => {
    if (tag !== Tag.resource.attributes) return
    attributes.push(from, to)
    if (keyIs(source, serviceNameKey, from, to)) serviceName = textOfEntry(source, from, to)
  })
  if (serviceName === undefined) out.nullColumn()
  else {
    const column = out.openColumn()
    out.appendText(escapeText(serviceName))
    out.closeColumn(column)
  }
  const column = out.openColumn()
  out.appendByte(jsonbVersion)
  attributesObject(out, source, attributes)
  out.closeColumn(column)
  textColumn(out, source, schemaUrl)
}

/** The column scope. */
export function encodeScope(out: RowBuffer, source: Buffer, scope: Range, schemaUrl: Range): void {
  out.clear()
  if (scope.start === scope.end && schemaUrl.start < 0) {
    out.nullColumn()
    return
  }
  const attributes: number[] = []
  const column = out.openColumn()
  out.appendByte(jsonbVersion)
  out.appendByte(0x7b)
  const member = (name: string, from: number, to: number) => {
    if (from === to) return
    out.appendText(`"${name}":`)
    writeJsonString(out, source, from, to)
    out.appendByte(comma)
  }
  eachField(source, scope.start, scope.end, (tag, from, to) => {
    if (tag === Tag.scope.name) member('name', from, to)
    else if (tag === Tag.scope.version) member('version', from, to)
    else if (tag === Tag.scope.attributes) attributes.push(from, to)
  })
  if (schemaUrl.start >= 0) member('schema_url', schemaUrl.start, schemaUrl.end)
  out.appendText('"attributes":')
  attributesObject(out, source, attributes)
  out.appendByte(0x7d)
  out.closeColumn(column)
}

/** A text column, or NULL for what is not there. */
export function textColumn(out: RowBuffer, source: Buffer, range: Range): void {
  if (range.start < 0) {
    out.nullColumn()
    return
  }
  const column = out.openColumn()
  writeText(out, source, range.start, range.end)
  out.closeColumn(column)
}

function textOfEntry(source: Buffer, start: number, end: number): string | undefined {
  let text: string | undefined
  eachField(source, start, end, (tag, from, to) => {
    if (tag !== Tag.keyValue.value) return
    const value = decodeValue(source, from, to)
    text = value.kind === 'string' ? value.value : undefined
  })
  return text
}

function attributesObject(out: RowBuffer, source: Buffer, ranges: readonly number[]): void {
  out.appendByte(0x7b)
  for (let i = 0; i < ranges.length; i += 2) {
    if (i > 0) out.appendByte(comma)
    writeJsonEntry(out, source, ranges[i]!, ranges[i + 1]!)
  }
  out.appendByte(0x7d)
}
