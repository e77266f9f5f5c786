/**
 * `minimize` takes personal data and secrets out of every field: by key, by value, and by the rule that only metadata
 * leaves. It looks at resource, scope and record attributes, the body, event_name, severity_text, scope name and version,
 * at numbers, bytes, nested values, JSON and encodings inside strings, and at the keys themselves. A schema URL that
 * holds something goes whole. Trace and span ids are not touched.
 *
 * Everything it cannot look at is replaced whole, and counted. See docs/minimize.md and docs/detectors.md.
 */
import { type Host, type Processor, processor } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import { Kind, Tag } from '../../src/otlp/fields.ts'
import { Role } from '../../src/otlp/keys.ts'
import type { LogRecord } from '../../src/otlp/record.ts'
import type { LogsRequest, Resource, Scope } from '../../src/otlp/request.ts'
import { Mark, type Slots } from '../../src/otlp/slots.ts'
import { Audit, nothingTold } from './audit.ts'
import { type BodyMetadata, metadataOfBody } from './body.ts'
import { type Config, config } from './config.ts'
import { noHint } from './detect/index.ts'
import { explainPath } from './explain.ts'
import { Lane, Work } from './fast/lane.ts'
import { Hasher } from './hasher.ts'
import { maskLabel } from './mask.ts'
import { clearFate, type Fate, type MetadataPolicy } from './metadata.ts'
import { Policies } from './policies.ts'
import { nothingClean, type Policy, type Verdict } from './policy.ts'
import { Rewriter, unscanned } from './rewrite.ts'
import { holdsNothing } from './schema_url.ts'
import { plain } from './treatment.ts'

/** Fields that are no attributes, by negated `Role`. */
const roleNames = ['', 'log.body', 'log.event_name', 'log.severity_text', 'scope.name', 'scope.version'] as const
const roleVerdict = (key: string): Verdict => ({
  action: 'scan',
  treatment: plain('mask'),
  type: 'text',
  key,
  hint: noHint,
  encoding: 'none',
  fate: clearFate,
  isPersonal: false,
  clean: nothingClean(),
  told: nothingTold(),
})

class Minimize implements Processor {
  readonly #policies: Policies
  readonly #purposes: Host['purposes']
  readonly #hasher: Hasher
  readonly #audit: Audit
  readonly #rewriter: Rewriter
  readonly #lane: Lane
  #tenant = ''
  #lastMask = -1
  readonly #roles = roleNames.map(roleVerdict)
  /** Counts requests: what is known of one body says nothing about the next, though it may lie in the same memory. */
  #request = 0
  /** The record that is being visited, or the tag of the attributes of a resource or scope. */
  #record: LogRecord | undefined
  #attributesTag: number = Tag.resource.attributes
  /** What of the body at hand stays beside it. */
  #beside: BodyMetadata | undefined

  constructor(options: Config, host: Host) {
    this.#policies = new Policies(options, host.purposes)
    this.#purposes = host.purposes
    this.#hasher = new Hasher(host.hashKeys, options.hash_cache)
    this.#lane = new Lane(options.hash_cache ? limits.hashCacheEntriesMax : 0)
    this.#audit = new Audit(host, options.annotations)
    this.#rewriter = new Rewriter(
      this.#policies.of('', 0),
      this.#hasher,
      this.#policies.custom,
      (action, type, detector) => this.#audit.count(action, type, detector),
    )
  }

  begin(request: LogsRequest): void {
    this.#request++
    const { custom } = this.#policies
    custom.begin(request.body)
    this.#lane.begin(request, custom.isEmpty)
  }

  resource(resource: Resource): void {
    this.#tenant = resource.tenant
    this.#audit.resource(this.#tenant)
    this.#hasher.use(this.#tenant)
    this.#lane.resource()
    this.#lastMask = -1
    this.#choose(0)
    this.#attributesTag = Tag.resource.attributes
    this.#record = undefined
    this.#visit(resource.slots, resource.first, resource.end)
    this.#schemaUrl(resource, 'resource.schema_url')
  }

  scope(scope: Scope): void {
    this.#choose(0)
    this.#attributesTag = Tag.scope.attributes
    this.#record = undefined
    this.#visit(scope.slots, scope.first, scope.end)
    this.#schemaUrl(scope, 'scope.schema_url')
  }

  record(record: LogRecord): 'keep' {
    this.#choose(record.purposes)
    this.#audit.record()
    this.#record = record
    this.#beside = undefined
    const { policy } = this.#rewriter
    if (this.#lane.open(record, policy, this.#hasher.key)) this.#listed(record, policy)
    else this.#visit(record.slots, record.first, record.end)
    if (this.#beside !== undefined) putBeside(record, this.#beside)
    this.#audit.annotate(record)
    return 'keep'
  }

  /** What is done with a field, and why; for `douane explain`. */
  explainPath(path: string, tenant: string, purposes: readonly string[]): readonly string[] {
    const mask = purposes.reduce((sum, name) => sum | this.#purposes.bit(name), 0)
    return explainPath(path, this.#policies.of(tenant, mask))
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
      if (verdict.fate.is !== 'clear' && this.#content(slots, slot, verdict.fate, verdict.key)) continue
      this.#field(slots, slot, kind, verdict)
      if (verdict.isPersonal && slots.kind(slot) !== Kind.Removed) this.#renameKey(slots, slot)
    }
  }

  /** What the program of the lane has done, and what it has left. */
  #listed({ slots, body }: LogRecord, policy: Policy): void {
    const lane = this.#lane
    if (body >= 0 && policy.metadata === undefined) slots.mark(body, Mark.Content)
    for (let slot = lane.next(); slot !== -1; slot = lane.next()) {
      const id = slots.keyId(slot)
      if (lane.what === Work.Look) {
        lane.learn(id, policy)
        this.#visit(slots, slot, slot + 1)
        continue
      }
      const verdict = id > 0 ? policy.keys.byId(slots.keys, id) : this.#roles[-id]!
      if (lane.what === Work.Stop) {
        this.#field(slots, slot, Kind.String, verdict, lane.from)
        continue
      }
      slots.putText(slot, lane.from, lane.to, lane.textFrom)
      this.#audit.countKeyed(verdict.key, verdict.treatment.action, verdict.type, verdict.told)
    }
  }

  /** A field that is no attribute. The body is content, unless only metadata is left of it; the others are names. */
  #role(slots: Slots, slot: number, id: number, kind: Kind, policy: Policy): void {
    const verdict = this.#roles[-id]!
    if (id !== Role.Body) this.#field(slots, slot, kind, verdict)
    else if (policy.metadata !== undefined) this.#body(slots, slot, verdict, policy.metadata)
    else {
      slots.mark(slot, Mark.Content)
      this.#field(slots, slot, kind, verdict)
    }
  }

  /** A body under the rule that only metadata leaves. */
  #body(slots: Slots, slot: number, verdict: Verdict, metadata: MetadataPolicy): void {
    const fate = metadata.ofBody
    const isGone = fate.is === 'gone'
    if (isGone && !metadata.judgesBody && !metadata.hasTemplate) {
      this.#content(slots, slot, fate, verdict.key)
      return
    }
    this.#field(slots, slot, slots.kind(slot), verdict)
    if (slots.kind(slot) === Kind.Removed) return
    const { template, allowed } = metadataOfBody(slots, slot, metadata)
    this.#beside = { template, allowed: isGone ? undefined : allowed }
    if (isGone && allowed !== undefined) {
      slots.setValue(slot, allowed)
      slots.mark(slot, Mark.Metadata)
      return
    }
    slots.mark(slot, Mark.Content)
    this.#content(slots, slot, fate, verdict.key)
  }

  /** Not metadata, for some purposes or all. True when nothing is left to look at. */
  #content(slots: Slots, slot: number, fate: Fate, key: string): boolean {
    if (fate.is === 'gone') {
      slots.remove(slot)
      this.#audit.field(key)
      this.#audit.count('drop', 'content', 'content')
      return true
    }
    if (fate.is === 'content') slots.mark(slot, fate.isSealed ? Mark.Content | Mark.Seal : Mark.Content)
    if (fate.dropFor !== 0 || fate.is === 'split') slots.restrict(slot, fate)
    return false
  }

  /**
   * Looks at one field, and changes it where something is found. Whatever goes wrong, the value does not pass. `stop`:
   * where the detectors have to look first, if that is known.
   */
  #field(slots: Slots, slot: number, kind: Kind, verdict: Verdict, stop = -1): void {
    const rewriter = this.#rewriter
    rewriter.begin(verdict.key)
    this.#audit.field(verdict.key)
    try {
      if (stop !== -1) this.#rewriter.slot(slots, slot, verdict.hint, stop, this.#lane)
      else if (kind === Kind.String) this.#string(slots, slot, verdict)
      else if (kind === Kind.Int) this.#int(slots, slot, verdict)
      else if (kind === Kind.Double) {
        if (verdict.action !== 'scan') this.#tree(slots, slot, verdict)
      } else if (kind === Kind.Array || kind === Kind.KvList || kind === Kind.Bytes) this.#tree(slots, slot, verdict)
    } catch (cause) {
      if (isKeyError(cause)) throw cause
      this.#audit.count('mask', unscanned, unscanned)
      slots.setText(slot, maskLabel(unscanned))
    }
    if (rewriter.drops) slots.remove(slot)
    else if (rewriter.seals) slots.mark(slot, Mark.Content | Mark.Seal)
  }

  #string(slots: Slots, slot: number, verdict: Verdict): void {
    if (verdict.action === 'hash') {
      if (isHashable(slots, slot)) {
        this.#audit.count('hash', verdict.type, verdict.type)
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
    const text = this.#rewriter.bytes(bytes, start, end, verdict, isBody)
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
    if (verdict.action === 'scan' && !isSuspect && !isCode && this.#policies.custom.isEmpty) return
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
    if (this.#record !== undefined) this.#record.add(key, slots.value(slot))
    else slots.add(this.#attributesTag, key, slots.value(slot))
    slots.remove(slot)
  }

  /** A schema URL names a document that everybody may read: one that says more goes. */
  #schemaUrl(view: Resource | Scope, name: string): void {
    const url = view.schemaUrl
    if (url === '' || holdsNothing(url)) return
    view.dropSchemaUrl()
    this.#audit.field(name)
    this.#audit.count('drop', 'schema_url', 'schema_url')
  }

  #choose(purposes: number): void {
    if (purposes === this.#lastMask) return
    this.#lastMask = purposes
    this.#rewriter.policy = this.#policies.of(this.#tenant, purposes)
  }
}

function putBeside(record: LogRecord, { template, allowed }: BodyMetadata): void {
  if (template !== undefined) record.add('douane.template', { kind: 'string', value: template })
  if (allowed !== undefined) record.add('douane.body', allowed)
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

export default processor({
  name: 'minimize',
  config,
  create: (options, host) => new Minimize(options, host),
})
