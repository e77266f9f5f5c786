/**
 * What of a body is metadata, under the rule that only metadata leaves: the template of a text, the allowed fields of a
 * map or of JSON. Of the body as it is after the detectors.
 */
import { Kind } from '../../src/otlp/fields.ts'
import type { Slots } from '../../src/otlp/slots.ts'
import type { AnyValue } from '../../src/otlp/value.ts'
import type { MetadataPolicy } from './metadata.ts'
import { allowedFields, allowedJson } from './structured.ts'
import { templateOf } from './template.ts'

export interface BodyMetadata {
  readonly template: string | undefined
  /** The body with its allowed fields only. */
  readonly allowed: AnyValue | undefined
}
const nothing: BodyMetadata = { template: undefined, allowed: undefined }

export function metadataOfBody(slots: Slots, slot: number, metadata: MetadataPolicy): BodyMetadata {
  const allows = (path: string): boolean => metadata.allowsInBody(path)
  const kind = slots.kind(slot)
  if (kind === Kind.KvList)
    return metadata.judgesBody ? { template: undefined, allowed: allowedFields(slots.value(slot), allows) } : nothing
  if (kind !== Kind.String) return nothing
  const text = slots.text(slot)
  const json = metadata.judgesBody ? allowedJson(text, allows) : undefined
  return {
    template: metadata.hasTemplate ? templateOf(text, metadata.templateWords) : undefined,
    allowed: json === undefined ? undefined : { kind: 'string', value: json },
  }
}
