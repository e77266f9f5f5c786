/**
 * The JSON schema of the whole configuration and of the policy: for editors, and for `print-config`, which fills in
 * defaults and finds secrets by it.
 *
 * It describes what is written, not what a component gets: durations are text (`5s`), and a value may also be an
 * expansion such as `${env:PORT}`, which an editor will underline where a number is wanted.
 */
import { z } from 'zod'
import { receiverSchema } from '../src/receive/config.ts'
import type { Registries } from './gateway_config.ts'
import { policySchema } from './residency_schema.ts'
import { pipelineOptions } from './sections.ts'
import { ownExtensions, residencySchema, serviceSchema } from './service.ts'

/** The part of JSON schema that zod writes for options. */
export interface JsonSchema {
  type?: string
  description?: string
  default?: unknown
  properties?: Record<string, JsonSchema>
  patternProperties?: Record<string, JsonSchema>
  additionalProperties?: boolean | JsonSchema
  items?: JsonSchema
  anyOf?: JsonSchema[]
  /** Told apart by the constant in their `type`. */
  oneOf?: JsonSchema[]
  const?: unknown
  /** Ours: the values in here are not to be shown. */
  secret?: boolean
  [keyword: string]: unknown
}

export function configJsonSchema({ processors, exporters, extensions = [] }: Registries): JsonSchema {
  const own = jsonSchemaOf(pipelineOptions).properties
  const components = {
    receivers: section([['otlp', jsonSchemaOf(receiverSchema)]]),
    processors: section(processors.map(({ name, config }) => [name, jsonSchemaOf(config)])),
    connectors: section([['residency', jsonSchemaOf(residencySchema)]]),
    exporters: section(
      exporters.flatMap(({ name, aliases = [], config }) => {
        const schema = jsonSchemaOf(config)
        const whole = { ...schema, properties: { ...schema.properties, ...own } }
        return [name, ...aliases].map((each): [string, JsonSchema] => [each, whole])
      }),
    ),
    extensions: section([...ownExtensions, ...extensions].map(({ name, config }) => [name, jsonSchemaOf(config)])),
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Douane configuration',
    type: 'object',
    additionalProperties: false,
    required: ['service'],
    properties: { ...components, service: jsonSchemaOf(serviceSchema) },
  }
}

export const policyJsonSchema = (): JsonSchema => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Douane residency policy',
  ...jsonSchemaOf(policySchema),
})

/** Entries `type[/name]`; an empty one means all defaults. */
function section(types: readonly (readonly [string, JsonSchema])[]): JsonSchema {
  const patterns = types.map(([name, schema]) => [`^${name}(/[\\w.-]+)?$`, { anyOf: [schema, { type: 'null' }] }])
  return { type: 'object', additionalProperties: false, patternProperties: Object.fromEntries(patterns) }
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    // zod leaves out the default of what is transformed, since it is no input.
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod
      if (def.type === 'default') jsonSchema.default ??= def.defaultValue as JsonDefault
    },
  }) as JsonSchema
  delete json['$schema']
  writtenDefaults(json)
  return json
}

type JsonDefault = z.core.JSONSchema.JSONSchema['default']

/** A default is known to zod as what the component gets: milliseconds, where `5s` is written. */
function writtenDefaults(schema: JsonSchema): void {
  if (schema.type === 'string' && typeof schema.default === 'number') schema.default = durationText(schema.default)
  const { properties = {}, items, anyOf = [], oneOf = [], additionalProperties } = schema
  const below = [...Object.values(properties), ...anyOf, ...oneOf, items, additionalProperties]
  for (const part of below) if (part !== null && typeof part === 'object') writtenDefaults(part)
}

/** 90000 → `90s`, 60000 → `1m`, 250 → `250ms`: the largest unit that divides it. */
export function durationText(ms: number): string {
  if (ms === 0) return '0s'
  const units: [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ]
  const [unit, length] = units.find(([, unitMs]) => ms % unitMs === 0) ?? ['ms', 1]
  return `${ms / length}${unit}`
}
