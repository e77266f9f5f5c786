/**
 * Where the sealed values of a row are, and what the row says about itself.
 *
 * A token is bound to tenant, region, purpose and field, and its field follows from where it stands: `body` is
 * `log.body`, `attributes.comment` is `log.attributes["comment"]`. So a token that somebody moved does not open. Rows
 * are what `query` prints (one object a record) or OTLP/JSON (what the `file` exporter writes).
 *
 * Rows are parsed without losing anything: numbers keep their digits, keys such as `__proto__` are just keys.
 */
import { attributeField } from '../contract.ts'
import { epochKeyAttribute } from '../otlp/field_sealer.ts'
import type { AnyValue } from '../otlp/value.ts'
import { tokenPrefix } from './token_format.ts'

/** What a row says about where it belongs. What it does not say is taken from the key's record. */
export interface Stated {
  readonly tenant?: string
  readonly region?: string
  /** A row may be kept for several purposes; the token must be of one of them. */
  readonly purposes?: readonly string[]
  readonly recordUid?: string
  /** About when the row was written. */
  readonly nearMs?: number
}

export interface Site {
  readonly token: string
  readonly stated: Stated
  /** The fields that this may be, likeliest first. */
  readonly fields: readonly string[]
  /** Puts the opened value in the token's place. */
  put(value: AnyValue): void
}

type Level = 'log' | 'resource' | 'scope'
type Objekt = { [key: string]: unknown }
interface Spot {
  readonly level: Level
  readonly stated: Stated
  /** Inside the value of this field; `undefined`: between fields. */
  readonly field?: string
  /** The keys of this object or list are attribute keys. */
  readonly inAttributes: boolean
}

const depthMax = 128

const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON

/** Numbers that a double cannot hold stay as they are written. */
export function parseRow(line: string): unknown {
  const keep = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? rawJson(context.source)
      : value
  return JSON.parse(line, keep)
}

const isObjekt = (value: unknown): value is Objekt =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function findTokens(row: unknown): Site[] {
  const sites: Site[] = []
  if (isObjekt(row)) visit(row, { level: 'log', stated: columns(row), inAttributes: false }, sites, 0)
  return sites
}

function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return isObjekt(value) && typeof value['stringValue'] === 'string' ? value['stringValue'] : undefined
}

function texts(value: unknown): string[] | undefined {
  const list = isObjekt(value) && isObjekt(value['arrayValue']) ? value['arrayValue']['values'] : value
  if (Array.isArray(list)) return list.map(text).filter((item) => item !== undefined)
  const single = text(value)
  return single === undefined ? undefined : [single]
}

/** The columns of a row that `query` printed. */
function columns(row: Objekt): Stated {
  const time = row['time'] ?? row['observed'] ?? row['stored']
  const nearMs = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return clean({
    tenant: text(row['tenant']),
    region: text(row['region']),
    purposes: texts(row['purposes'] ?? row['purpose']),
    nearMs: Number.isNaN(nearMs) ? undefined : nearMs,
  })
}

function clean(stated: { [Key in keyof Stated]: Stated[Key] | undefined }): Stated {
  return Object.fromEntries(Object.entries(stated).filter(([, value]) => value !== undefined)) as Stated
}

/** An attribute by key, in a JSON object or in OTLP's list of key and value. */
function attribute(attributes: unknown, key: string): unknown {
  if (Array.isArray(attributes)) return attributes.find((entry) => isObjekt(entry) && entry['key'] === key)?.value
  return isObjekt(attributes) && Object.hasOwn(attributes, key) ? attributes[key] : undefined
}

/** What the attributes of an object, or of its resource, add to what is known. The columns of a row come first. */
function withAttributes(node: Objekt, known: Stated): Stated {
  const resource = node['resource']
  const places = [node['attributes'], resource, isObjekt(resource) ? resource['attributes'] : undefined]
  const find = (key: string): unknown => {
    for (const place of places) {
      const value = attribute(place, key)
      if (value !== undefined) return value
    }
    return undefined
  }
  return clean({
    tenant: known.tenant ?? text(find('douane.tenant')),
    region: known.region ?? text(find('douane.region')),
    purposes: known.purposes ?? texts(find('douane.purpose')),
    recordUid: known.recordUid ?? text(find('log.record.uid')),
    nearMs: known.nearMs,
  })
}

function visit(node: Objekt | unknown[], spot: Spot, sites: Site[], depth: number): void {
  if (depth > depthMax) return
  if (Array.isArray(node)) {
    for (const [index, item] of node.entries()) visitItem(node, index, item, spot, sites, depth)
    return
  }
  const between = spot.field === undefined && !spot.inAttributes
  const here = between ? { ...spot, stated: withAttributes(node, spot.stated) } : spot
  for (const [key, value] of Object.entries(node)) {
    const put = (json: unknown): void => {
      Object.defineProperty(node, key, { value: json, writable: true, enumerable: true, configurable: true })
    }
    visitValue(value, key, enter(key, here), fieldsAt(key, here), put, sites, depth)
  }
}

function visitItem(list: unknown[], index: number, item: unknown, spot: Spot, sites: Site[], depth: number): void {
  if (spot.inAttributes && isObjekt(item) && typeof item['key'] === 'string') {
    const key = item['key']
    const put = (json: unknown): void => {
      item['value'] = json
    }
    visitValue(item['value'], key, enter(key, spot), fieldsAt(key, spot), put, sites, depth)
    return
  }
  const put = (json: unknown): void => {
    list[index] = json
  }
  visitValue(item, '', spot, spot.field === undefined ? [] : [spot.field], put, sites, depth)
}

function visitValue(
  value: unknown,
  key: string,
  spot: Spot,
  fields: readonly string[],
  put: (json: unknown) => void,
  sites: Site[],
  depth: number,
): void {
  const otlp = isObjekt(value) && key !== 'stringValue' && key !== 'bytesValue' ? otlpText(value) : undefined
  const text = otlp ?? value
  if (typeof text === 'string') {
    const token = tokenIn(text)
    const isOtlp = otlp !== undefined
    const putValue = (opened: AnyValue): void => put(isOtlp ? toOtlpJson(opened) : toJson(opened))
    if (token !== undefined) sites.push({ token, stated: spot.stated, fields, put: putValue })
  } else if (isObjekt(value) || Array.isArray(value)) visit(value, spot, sites, depth + 1)
}

/** The text of OTLP/JSON's AnyValue, if it is a string or bytes. */
function otlpText(value: Objekt): string | undefined {
  const text = value['stringValue'] ?? value['bytesValue']
  return typeof text === 'string' ? text : undefined
}

/** A token as it stands in a string, or in bytes as base64. */
function tokenIn(text: string): string | undefined {
  if (text.startsWith(tokenPrefix)) return text
  if (!/^0IN[DE]/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? tokenPrefix + bytes.toString('base64url') : undefined
}

/** Whether it is worth while to look for tokens in a line. */
export const mayHoldTokens = (line: string): boolean => /cose:|"0IN[DE]/.test(line)

/** Where the value of `key` stands. */
function enter(key: string, spot: Spot): Spot {
  if (spot.field !== undefined) return spot
  const fields = fieldsAt(key, spot)
  if (spot.inAttributes) return { ...spot, inAttributes: false, field: fields[0]! }
  if (key === 'attributes') return { ...spot, inAttributes: true }
  if (key === 'log_attributes') return { ...spot, inAttributes: true, level: 'log' }
  if (key === 'resource_attributes') return { ...spot, inAttributes: true, level: 'resource' }
  if (key === 'scope_attributes') return { ...spot, inAttributes: true, level: 'scope' }
  if (key === 'resource') return { ...spot, level: 'resource' }
  if (key === 'scope') return { ...spot, level: 'scope' }
  if (key === 'body') return { ...spot, field: 'log.body' }
  return spot
}

const namedFields: Record<Level, Readonly<Record<string, string>>> = {
  log: {
    body: 'log.body',
    event_name: 'log.event_name',
    eventName: 'log.event_name',
    severity_text: 'log.severity_text',
    severityText: 'log.severity_text',
    scope_name: 'scope.name',
    scope_version: 'scope.version',
  },
  resource: {},
  scope: { name: 'scope.name', version: 'scope.version' },
}

function fieldsAt(key: string, spot: Spot): readonly string[] {
  if (spot.field !== undefined) return [spot.field]
  if (spot.inAttributes) return [attributeField(spot.level, key)]
  const named = Object.hasOwn(namedFields[spot.level], key) ? namedFields[spot.level][key] : undefined
  if (named !== undefined) return [named]
  if (spot.level !== 'log') return [attributeField(spot.level, key)]
  return (['log', 'resource', 'scope'] as const).map((level) => attributeField(level, key))
}

/** Sealed epoch keys that a row carries, anywhere in it. */
export function carriedKeys(row: unknown, depth = 0): string[] {
  if (depth > depthMax || typeof row !== 'object' || row === null) return []
  const own = isObjekt(row) ? [row[epochKeyAttribute], row['key'] === epochKeyAttribute ? row['value'] : undefined] : []
  const inner = Object.values(row).flatMap((value) => carriedKeys(value, depth + 1))
  return [...own.map(text).filter((key) => key !== undefined), ...inner]
}

/** A value as plain JSON: bytes as base64, an int with all its digits. */
export function toJson(value: AnyValue): unknown {
  switch (value.kind) {
    case 'empty':
      return null
    case 'int':
      return rawJson(value.value.toString())
    case 'double':
      if (!Number.isFinite(value.value)) return String(value.value)
      return Object.is(value.value, -0) ? rawJson('-0.0') : value.value
    case 'bytes':
      return Buffer.from(value.value).toString('base64')
    case 'array':
      return value.values.map(toJson)
    case 'kvlist':
      return Object.fromEntries(value.entries.map((entry) => [entry.key, toJson(entry.value)]))
    default:
      return value.value
  }
}

/** A value as OTLP/JSON's AnyValue. */
export function toOtlpJson(value: AnyValue): unknown {
  switch (value.kind) {
    case 'empty':
      return {}
    case 'string':
      return { stringValue: value.value }
    case 'bool':
      return { boolValue: value.value }
    case 'int':
      return { intValue: value.value.toString() }
    case 'double':
      return { doubleValue: Number.isFinite(value.value) ? value.value : String(value.value) }
    case 'bytes':
      return { bytesValue: Buffer.from(value.value).toString('base64') }
    case 'array':
      return { arrayValue: { values: value.values.map(toOtlpJson) } }
    case 'kvlist':
      return { kvlistValue: { values: value.entries.map(({ key, value: v }) => ({ key, value: toOtlpJson(v) })) } }
  }
}
