/**
 * `minimize` takes personal data and secrets out of every field: by key, by value, and by the rule that only metadata
 * leaves. It looks at resource, scope and record attributes, the body, event_name, severity_text, scope name and version,
 * at numbers, bytes, nested values, JSON inside strings, and at the keys themselves. Trace and span ids are not touched.
 *
 * Everything it cannot look at is replaced whole, and counted. See docs/minimize.md and docs/detectors.md.
 */
import { type Counter, type Host, type Processor, processor } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import { type PreparedAttribute, prepareAttribute } from '../../src/otlp/attribute.ts'
import { Kind, Tag } from '../../src/otlp/fields.ts'
import { Role } from '../../src/otlp/keys.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import type { Resource, Scope } from '../../src/otlp/request.ts'
import { Mark, type Slots } from '../../src/otlp/slots.ts'
import { Hasher, mask } from './actions.ts'
import { type Action, actions, type Config, config, strictness } from './config.ts'
import { noHint } from './detect/index.ts'
import { type CustomDetector, checkNames, customDetectors, nothingClean, Policy, type Verdict } from './policy.ts'
import { Rewriter, unscanned } from './rewrite.ts'

const roleVerdict = (): Verdict => ({
  action: 'scan',
  type: 'text',
  hint: noHint,
  isMetadata: true,
  isPersonal: false,
  clean: nothingClean(),
})
const countKeys = actions.map((action) => `douane.minimized.${action}.count`)

/** The annotations with small counts, which are nearly all there are. */
const prepared: PreparedAttribute[][] = actions.map(() => [])
function countOf(action: number, n: number): PreparedAttribute {
  const known = prepared[action]![n]
  if (known) return known
  const made = prepareAttribute(Tag.record.attributes, countKeys[action]!, { kind: 'int', value: BigInt(n) })
  if (n < 256) prepared[action]![n] = made
  return made
}

class Minimize implements Processor {
  readonly #config: Config
  readonly #host: Host
  readonly #hasher: Hasher
  readonly #custom: readonly CustomDetector[]
  readonly #policies = new Map<string, Policy>()
  /** Counters at hand by type, then by action; of the tenant of the last resource. */
  readonly #counters = new Map<string, (Counter | undefined)[]>()
  readonly #minimized
  readonly #rewriter: Rewriter
  readonly #isAnnotated: boolean
  /** Changes in the record at hand, by action; and, for `debug`, what was changed. */
  readonly #counts = new Int32Array(actions.length)
  readonly #changed: string[] = []
  #total = 0
  #tenant = ''
  #lastMask = -1
  /** By negated `Role`: fields that are no attributes. */
  readonly #roles = Array.from({ length: 7 }, roleVerdict)
  /** Counts requests: what is known of one body says nothing about the next, though it may lie in the same memory. */
  #request = 0
  #addAttribute: (key: string, slots: Slots, slot: number) => void = () => {}

  constructor(options: Config, host: Host) {
    this.#config = options
    this.#host = host
    this.#custom = customDetectors(options)
    checkNames(options, [])
    for (const [name, rules] of Object.entries(options.tenants)) checkNames(rules, ['tenants', name])
    for (const [name, rules] of Object.entries(options.purposes)) checkNames(rules, ['purposes', name])
    this.#hasher = new Hasher(host.hashKeys, options.hash_cache)
    this.#minimized = host.counter('minimized', 'Findings and keys that were changed.', ['action', 'type', 'tenant'])
    this.#isAnnotated = options.annotations !== 'silent'
    this.#rewriter = new Rewriter(this.#policyFor(0), this.#hasher, this.#custom, (action, type) =>
      this.#count(action, type),
    )
  }

  begin(): void {
    this.#request++
  }

  resource(resource: Resource): void {
    if (this.#tenant !== resource.tenant) this.#counters.clear()
    this.#tenant = resource.tenant
    this.#hasher.use(this.#tenant)
    this.#lastMask = -1
    this.#choose(0)
    this.#addAttribute = (key, slots, slot) => slots.add(Tag.resource.attributes, key, slots.value(slot))
    this.#visit(resource.slots, resource.first, resource.end)
  }

  scope(scope: Scope): void {
    this.#choose(0)
    this.#addAttribute = (key, slots, slot) => slots.add(Tag.scope.attributes, key, slots.value(slot))
    this.#visit(scope.slots, scope.first, scope.end)
  }

  record(record: LogRecord): 'keep' {
    this.#choose(record.purposes)
    this.#total = 0
    this.#counts.fill(0)
    this.#changed.length = 0
    this.#addAttribute = (key, slots, slot) => record.add(key, slots.value(slot))
    this.#visit(record.slots, record.first, record.end)
    if (this.#total > 0 && this.#isAnnotated) this.#annotate(record)
    return 'keep'
  }

  #visit(slots: Slots, first: number, end: number): void {
    const { policy } = this.#rewriter
    for (let slot = first; slot < end; slot++) {
      const kind = slots.kind(slot)
      if (kind === Kind.Removed) continue
      const id = slots.keyId(slot)
      if (id < 0) {
        this.#role(slots, slot, id, kind, policy)
        continue
      }
      const verdict = id > 0 ? policy.keys.byId(slots.keys, id) : policy.keys.byName(slots.key(slot))
      if (!verdict.isMetadata && this.#content(slots, slot, policy)) continue
      this.#field(slots, slot, kind, verdict)
      if (verdict.isPersonal && slots.kind(slot) !== Kind.Removed) this.#renameKey(slots, slot)
    }
  }

  /** A field that is no attribute. The body is content, always; the others are names that programmers gave. */
  #role(slots: Slots, slot: number, id: number, kind: Kind, policy: Policy): void {
    if (id === Role.SchemaUrl) return
    if (id === Role.Body) {
      if (policy.otherwise !== undefined && this.#content(slots, slot, policy)) return
      slots.mark(slot, Mark.Content)
    }
    this.#field(slots, slot, kind, this.#roles[-id]!)
  }

  /** Content, by the metadata rule. True when nothing is left to look at. */
  #content(slots: Slots, slot: number, policy: Policy): boolean {
    if (policy.otherwise === 'drop') {
      slots.remove(slot)
      this.#count('drop', 'content')
      return true
    }
    slots.mark(slot, policy.otherwise === 'encrypt' ? Mark.Content | Mark.Seal : Mark.Content)
    return false
  }

  /** Looks at one field, and changes it where something is found. Whatever goes wrong, the value does not pass. */
  #field(slots: Slots, slot: number, kind: Kind, verdict: Verdict): void {
    const rewriter = this.#rewriter
    rewriter.begin()
    try {
      if (kind === Kind.String) this.#string(slots, slot, verdict)
      else if (kind === Kind.Int) this.#int(slots, slot, verdict)
      else if (kind === Kind.Double) {
        if (verdict.action !== 'scan') this.#tree(slots, slot, verdict)
      } else if (kind === Kind.Array || kind === Kind.KvList || kind === Kind.Bytes) this.#tree(slots, slot, verdict)
    } catch (cause) {
      if (isKeyError(cause)) throw cause
      this.#count('mask', unscanned)
      slots.setText(slot, mask(unscanned))
    }
    if (rewriter.drops) slots.remove(slot)
    else if (rewriter.seals) slots.mark(slot, Mark.Content | Mark.Seal)
  }

  #string(slots: Slots, slot: number, verdict: Verdict): void {
    if (verdict.action === 'hash') {
      if (isHashable(slots, slot)) {
        this.#count('hash', verdict.type)
        this.#hasher.hashSlot(slots, slot)
      }
      return
    }
    if (verdict.action !== 'scan') {
      const text = verdict.action === 'keep' ? undefined : this.#rewriter.keyed(verdict, slots.text(slot))
      if (text !== undefined) slots.setText(slot, text)
      return
    }
    const start = slots.start(slot)
    const end = slots.end(slot)
    if (end - start < 3) return
    const bytes = slots.bytes(slot)
    const { clean } = verdict
    const isBody = !slots.isEdited(slot)
    if (isBody && clean.request === this.#request && isSame(bytes, start, end, clean.start, clean.end)) return
    const text = this.#rewriter.bytes(bytes, start, end, verdict.hint)
    if (text !== undefined) slots.setText(slot, text)
    else if (isBody && !this.#rewriter.seals && !this.#rewriter.drops) {
      clean.request = this.#request
      clean.start = start
      clean.end = end
    }
  }

  /** Cards and national numbers have seven digits or more, so four bytes as a varint; negative ones have ten. */
  #int(slots: Slots, slot: number, verdict: Verdict): void {
    const length = slots.end(slot) - slots.start(slot)
    const isSuspect = length < 10 && (length > 5 || (length > 2 && verdict.hint.topics.length > 0))
    const isCode = verdict.hint.secret !== 0
    if (verdict.action === 'scan' && !isSuspect && !isCode && this.#custom.length === 0) return
    this.#tree(slots, slot, verdict)
  }

  #tree(slots: Slots, slot: number, verdict: Verdict): void {
    if (slots.end(slot) - slots.start(slot) > limits.scannedBytesMax) throw new RangeError('too large to look at')
    const value = slots.value(slot)
    const changed = this.#rewriter.tree(value, verdict)
    if (changed !== value) slots.setValue(slot, changed)
  }

  /** A key that holds personal data: the attribute gets another one. */
  #renameKey(slots: Slots, slot: number): void {
    const key = this.#rewriter.text(slots.key(slot), noHint, limits.embeddedJsonDepthMax + 1)
    if (key === undefined) return
    this.#addAttribute(key, slots, slot)
    slots.remove(slot)
  }

  #choose(purposes: number): void {
    if (purposes === this.#lastMask) return
    this.#lastMask = purposes
    this.#rewriter.policy = this.#policyFor(purposes)
  }

  /** The policy of this tenant and these purposes. Few combinations occur. */
  #policyFor(purposes: number): Policy {
    const { tenants, purposes: byPurpose } = this.#config
    const names = Object.keys(byPurpose).length > 0 && purposes !== 0 ? this.#host.purposes.names(purposes) : []
    const own = Object.hasOwn(tenants, this.#tenant) ? tenants[this.#tenant] : undefined
    const key = `${own ? this.#tenant : ''}\n${names.join('\n')}`
    let policy = this.#policies.get(key)
    if (!policy) {
      const purposeRules = names.flatMap((name) => byPurpose[name] ?? [])
      const metadata = purposeRules.find((rules) => rules.metadata)?.metadata ?? this.#config.metadata
      policy = new Policy([this.#config, ...(own ? [own] : []), ...purposeRules], customActions(this.#config), metadata)
      this.#policies.set(key, policy)
    }
    return policy
  }

  #count(action: Action, type: string): void {
    const i = strictness(action)
    this.#total++
    this.#counts[i]!++
    if (this.#config.annotations === 'debug') this.#changed.push(`${action} ${type}`)
    let counters = this.#counters.get(type)
    if (!counters) {
      counters = []
      this.#counters.set(type, counters)
    }
    let counter = counters[i]
    if (!counter) {
      counter = this.#minimized.with(action, type, this.#tenant)
      counters[i] = counter
    }
    counter.add(1)
  }

  #annotate(record: LogRecord): void {
    for (let i = 0; i < actions.length; i++) {
      if (this.#counts[i]! > 0) record.addPrepared(countOf(i, this.#counts[i]!))
    }
    if (this.#changed.length === 0) return
    const values = this.#changed.splice(0).map((value) => ({ kind: 'string' as const, value }))
    record.add('douane.minimized.changes', { kind: 'array', values })
  }
}

/** Whether two ranges of the same bytes are equal. */
function isSame(bytes: Buffer, start: number, end: number, otherStart: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - otherStart) return false
  for (let i = start, j = otherStart; i < end; i++, j++) if (bytes[i] !== bytes[j]) return false
  return true
}

/** Not empty, not `-`, and nothing that was hashed or sealed before. */
function isHashable(slots: Slots, slot: number): boolean {
  const start = slots.start(slot)
  const end = slots.end(slot)
  const bytes = slots.bytes(slot)
  if (end === start || (end - start === 1 && bytes[start] === DASH)) return false
  if (end - start < 6 || bytes[start + 4] !== COLON) return true
  const text = bytes.latin1Slice(start, start + 5)
  return text !== 'hmac:' && text !== 'cose:'
}
const DASH = 45
const COLON = 58

const isKeyError = (cause: unknown): boolean => cause instanceof Error && cause.name === 'KeyError'
const customActions = (options: Config): Record<string, Action> =>
  Object.fromEntries(options.custom_detectors.map(({ name, action }) => [name, action]))

export default processor({
  name: 'minimize',
  config,
  create: (options, host) => new Minimize(options, host),
})
