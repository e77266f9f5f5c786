/**
 * What a configuration comes to: files merged, variables expanded, defaults filled in, secrets taken out.
 *
 * A value is a secret where its option says so (`.meta({ secret: true })`, as headers do), where its option is named
 * like one (`password`, `token`, `key` …), and inside URLs. What is not sure to be harmless is not shown.
 */
import { stringify } from 'yaml'
import type { Registries } from './gateway_config.ts'
import { configJsonSchema, type JsonSchema } from './schema.ts'
import { ownExtensions } from './service.ts'
import { plain, type Tree } from './tree.ts'

export const redacted = '<redacted>'

/** YAML that loads again, but for the secrets. */
export function effectiveConfig(tree: Tree, registries: Registries): string {
  return stringify(shown(plain(tree), configJsonSchema(registries), false), { lineWidth: 120 })
}

function shown(value: unknown, schema: JsonSchema | undefined, isSecret: boolean): unknown {
  const secret = isSecret || schema?.secret === true
  const form = schema && formFor(value, schema)
  if (Array.isArray(value)) return value.map((item) => shown(item, form?.items, secret))
  if (value !== null && typeof value === 'object') return shownMap(value as Record<string, unknown>, form, secret)
  if (value === null) return form?.properties ? shownMap({}, form, secret) : null
  if (secret) return redacted
  return typeof value === 'string' ? withoutPasswords(value) : value
}

function shownMap(value: Record<string, unknown>, form: JsonSchema | undefined, isSecret: boolean): unknown {
  const out: Record<string, unknown> = {}
  for (const [name, part] of Object.entries(value)) {
    const own = form?.properties?.[name]
    out[name] = shown(part, own ?? patternFor(name, form), isSecret || (own !== undefined && isSecretName(name)))
  }
  for (const [name, option] of Object.entries(form?.properties ?? {})) {
    if (name in out || option.default === undefined) continue
    out[name] = shown(option.default, option, isSecret)
  }
  return out
}

function patternFor(name: string, form: JsonSchema | undefined): JsonSchema | undefined {
  const found = Object.entries(form?.patternProperties ?? {}).find(([pattern]) => new RegExp(pattern).test(name))
  if (found) return found[1]
  return typeof form?.additionalProperties === 'object' ? form.additionalProperties : undefined
}

/** Of several forms, the one of the value's kind, and of those with a `type` the one of that type. */
function formFor(value: unknown, schema: JsonSchema): JsonSchema {
  const forms = schema.anyOf ?? schema.oneOf
  if (!forms) return schema
  const kind = Array.isArray(value) ? 'array' : value === null ? 'object' : typeof value
  const type = (value as { type?: unknown } | null)?.type
  return forms.find((form) => form.type === kind && [undefined, type].includes(form.properties?.['type']?.const)) ?? {}
}

const isSecretName = (name: string): boolean =>
  /^headers$|(?:^|_)(?:password|passwd|passphrase|secret|token|authorization|credential|(?:api|private|hmac|secret|encryption)_?key)s?$/i.test(
    name,
  )

/** Passwords in URLs, and of the query's parameters those that are named like secrets. */
export const withoutPasswords = (text: string): string =>
  text
    .replace(/(:\/\/[^/@\s:]*:)[^/@\s]*(?:[^/\s]*)@/g, `$1${redacted}@`)
    .replace(/(https?:\/\/)[^/@\s:]+@/g, `$1${redacted}@`)
    .replace(
      /([?&][^=&\s]*(?:password|passwd|secret|token|key|signature|sig|auth)[^=&\s]*=)[^&\s#]*/gi,
      `$1${redacted}`,
    )

/** What is built in, by section: names, and the other names that may be written. */
export function builtInComponents({ processors, exporters, extensions = [] }: Registries): BuiltIn {
  const named = ({ name, aliases }: { name: string; aliases?: readonly string[] }): BuiltInComponent => ({
    name,
    ...(aliases && aliases.length > 0 && { aliases }),
  })
  return {
    receivers: [{ name: 'otlp' }],
    processors: processors.map(named),
    connectors: [{ name: 'residency' }],
    exporters: exporters.map(named),
    extensions: [...ownExtensions, ...extensions].map(named),
  }
}
export interface BuiltInComponent {
  readonly name: string
  readonly aliases?: readonly string[]
}
export type BuiltIn = Readonly<
  Record<'receivers' | 'processors' | 'connectors' | 'exporters' | 'extensions', readonly BuiltInComponent[]>
>
