/**
 * The form of a copy: what a destination gets of a record, given its tenant and the purposes it is copied for.
 *
 * Content is there if one of the purposes has it, sealed unless one says `keep`; fields outside the purposes' allowed
 * keys are left out; the gateway's own attributes are appended as bytes that were encoded once.
 */
import type { Purposes, SealContext, Sealer } from '../contract.ts'
import { Arena } from '../otlp/arena.ts'
import { writeAttribute } from '../otlp/attribute.ts'
import { Tag } from '../otlp/fields.ts'
import { KeyMemo } from '../otlp/keys.ts'
import type { Form } from '../otlp/splice.ts'
import { encodeValue } from '../otlp/value.ts'
import type { ContentRule, Policy, TenantRule } from '../policy.ts'
import { compareRetention, inZone, type Retention } from '../units.ts'
import { keyMatcher } from './key_glob.ts'
import type { Holding } from './parcel.ts'

export interface FormSpec {
  readonly tenant: string
  readonly rule: TenantRule
  readonly region: string
  /** The purposes of this copy, as a mask. */
  readonly mask: number
  /** The central copy of a split tenant: no content, not even sealed. */
  readonly withoutContent: boolean
}

/** A form that says what its copies hold. */
export interface CopyForm extends Form {
  readonly holding?: Omit<Holding, 'records'>
}

/** Builds the form of a copy under a policy. */
export function buildForm(spec: FormSpec, policy: Policy, purposes: Purposes, sealer: Sealer): CopyForm {
  const names = purposes.names(spec.mask)
  const rules = names.map((name) => ({ name, content: contentOf(spec, policy, name) }))
  const kept = rules.some((rule) => rule.content === 'keep')
  const sealed = rules.filter((rule) => rule.content === 'encrypt')
  const sealedFor = longestKept(
    (sealed.length > 0 ? sealed : rules).map(({ name }) => name),
    (name) => retentionOf(spec, policy, name),
  )
  const context: SealContext = {
    tenant: spec.tenant,
    region: spec.region,
    purpose: sealedFor,
    retention: keptFor(spec, policy, sealedFor),
  }
  const content = spec.withoutContent ? 'drop' : kept ? 'keep' : sealed.length === 0 ? 'drop' : 'seal'
  const allows = allowedKeys(names, policy)
  return {
    holding: { tenant: spec.tenant, purposes: names, content: content === 'seal' ? 'encrypt' : content },
    content,
    ...(spec.mask !== 0 && { purposes: spec.mask }),
    appendix: appendix(names, spec.tenant, spec.region),
    ...sealedWith(sealer, context),
    index: (value, field) => sealer.index?.(value, spec.tenant, field) ?? '',
    ...(content === 'seal' && { ready: () => sealer.ready?.(context) }),
    ...(allows !== undefined && { allows }),
  }
}

/** What a form seals with. */
export function sealedWith(
  sealer: Sealer,
  context: SealContext,
): Pick<Form, 'seal' | 'sealText' | 'tokens' | 'addToken' | 'sealedKey'> {
  const { tokens } = sealer
  return {
    seal: (value, field, binding) => sealer.seal(value, context, field, binding),
    ...(sealer.sealText && {
      sealText: (bytes, from, to, field, binding) => sealer.sealText!(bytes, from, to, context, field, binding),
    }),
    ...(tokens && {
      tokens,
      addToken: (bytes, from, to, end, field, binding) => tokens.add(bytes, from, to, end, context, field, binding),
    }),
    sealedKey: () => sealer.sealedKey?.() ?? '',
  }
}

function contentOf(spec: FormSpec, policy: Policy, purpose: string): ContentRule {
  return spec.rule.purposes.get(purpose)?.content ?? policy.purposes.get(purpose)?.content ?? 'drop'
}

function retentionOf(spec: FormSpec, policy: Policy, purpose: string): Retention | undefined {
  return spec.rule.purposes.get(purpose)?.retention ?? policy.purposes.get(purpose)?.retention
}

/** As keys have it: with the policy's time zone, whose days and months their periods are. */
function keptFor(spec: FormSpec, policy: Policy, purpose: string): string {
  const retention = retentionOf(spec, policy, purpose)
  return retention === undefined ? '' : inZone(retention, policy.timeZone).text
}

/** A merged copy is sealed with the key of the purpose that may have its content longest; of equals, the first. */
function longestKept(names: readonly string[], retention: (name: string) => Retention | undefined): string {
  let longest = names[0] ?? ''
  for (const name of names) {
    const [known, other] = [retention(longest), retention(name)]
    if (known !== undefined && other !== undefined && compareRetention(other, known) > 0) longest = name
  }
  return longest
}

/** By policy and purposes: what is allowed does not depend on the tenant, and what is known of a key serves all. */
const allowedMemos = new WeakMap<Policy, Map<string, KeyMemo<boolean>>>()

/** What at least one of the purposes allows; undefined where one of them allows all. */
function allowedKeys(purposes: readonly string[], policy: Policy): KeyMemo<boolean> | undefined {
  const globs: string[] = []
  for (const purpose of purposes) {
    const list = policy.purposes.get(purpose)?.allowedKeys
    if (list === undefined) return undefined
    globs.push(...list)
  }
  if (purposes.length === 0) return undefined
  const memos = allowedMemos.get(policy) ?? new Map<string, KeyMemo<boolean>>()
  allowedMemos.set(policy, memos)
  const name = purposes.join(' ')
  const memo = memos.get(name) ?? new KeyMemo(keyMatcher(globs))
  memos.set(name, memo)
  return memo
}

/** `douane.purpose`, `douane.tenant` and `douane.region` as encoded attribute fields. */
export function appendix(purposes: readonly string[], tenant: string, region: string): Buffer {
  const arena = new Arena()
  const values = purposes.map((value) => ({ kind: 'string', value }) as const)
  if (purposes.length > 0) {
    writeAttribute(arena, Tag.record.attributes, 'douane.purpose', encodeValue({ kind: 'array', values }))
  }
  const text = (key: string, value: string) => {
    if (value !== '') writeAttribute(arena, Tag.record.attributes, key, encodeValue({ kind: 'string', value }))
  }
  text('douane.region', region)
  text('douane.tenant', tenant)
  return Buffer.from(arena.bytes.subarray(0, arena.used))
}
