/**
 * Whose clock it is: the host's, as far as the resource tells; else the smallest thing that has a clock for sure.
 *
 * Keys are looked up per tenant, so that no tenant can speak for another's host.
 */
import { Kind } from '../../src/otlp/fields.ts'
import { KeyMemo } from '../../src/otlp/keys.ts'
import type { Resource } from '../../src/otlp/request.ts'

/** Best first. */
const names = ['host.id', 'k8s.node.uid', 'k8s.node.name', 'host.name', 'k8s.pod.uid', 'service.instance.id'] as const
const exportTimestamp = 'telemetry.sdk.elastic_export_timestamp'
const NONE = names.length
const EXPORT = NONE + 1

const rank = new KeyMemo((name: string): number => {
  const at = names.indexOf(name as (typeof names)[number])
  return at !== -1 ? at : name === exportTimestamp ? EXPORT : NONE
})

/** What `readSource` found besides the key: what kind it is, and the slot of an export timestamp or -1. */
export const found = { kind: 0, exportSlot: -1 }
/** Kinds of keys: one for each name, and one for hashes. */
export const KEY_KINDS = NONE + 1

/** A resource's key among its tenant's of the same kind: the host's id, or a hash of all where nothing names a clock. */
export function readSource(resource: Resource): string {
  const { slots, first, end } = resource
  let best: number = NONE
  let at = -1
  found.exportSlot = -1
  for (let slot = first; slot < end; slot++) {
    const kind = slots.kind(slot)
    const id = slots.keyId(slot)
    if (id < 0 || kind === Kind.Removed) continue
    const ranked = id > 0 ? rank.byId(slots.keys, id) : rank.byName(slots.key(slot))
    if (ranked === NONE) continue
    if (ranked === EXPORT) found.exportSlot = slot
    else if (ranked < best && kind === Kind.String && slots.end(slot) > slots.start(slot)) {
      best = ranked
      at = slot
    }
  }
  const isNamed = best !== NONE && slots.end(at) - slots.start(at) <= 256
  found.kind = isNamed ? best : NONE
  return isNamed ? slots.text(at) : hashOf(resource).toString(16)
}

/** A key as people read it. */
export const labelOf = (kind: number, key: string): string => `${names[kind] ?? 'resource'}=${key}`

/** FNV-1a over what the resource holds, without what changes from one export to the next. */
function hashOf({ slots, first, end }: Resource): number {
  let hash = 0x811c9dc5
  for (let slot = first; slot < end; slot++) {
    if (slots.keyId(slot) < 0 || slots.kind(slot) === Kind.Removed || slot === found.exportSlot) continue
    const key = slots.key(slot)
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
    const bytes = slots.bytes(slot)
    for (let i = slots.start(slot); i < slots.end(slot); i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  }
  return hash >>> 0
}
