/** The policy in force for one field, in lines for people: what is done with it, and which rule says so. */
import type { Fate } from './metadata.ts'
import type { Policy } from './policy.ts'
import { describeTreatment, plain, strictness } from './treatment.ts'

const attribute = /^(?:log|scope|resource)\.attributes\["((?:[^"\\]|\\.)+)"\]$/

export function explainPath(path: string, policy: Policy): readonly string[] {
  const key = attribute.exec(path)?.[1]?.replace(/\\(.)/g, '$1')
  return [...(key === undefined ? ofField(path, policy) : ofAttribute(key, policy)), ...ofFindings(policy)]
}

function ofAttribute(key: string, policy: Policy): string[] {
  const ruled = policy.ofKey(key)
  const lines =
    ruled === undefined
      ? ['value: scanned by every detector']
      : [`value: ${describeTreatment(ruled.treatment)} (${ruled.origin})`]
  const { encoding } = policy.keys.byName(key)
  if (ruled === undefined && encoding !== 'none') lines.push(`value: opened where it is encoded (${encoding})`)
  if (policy.metadata !== undefined) lines.push(`metadata rule: ${describeFate(policy.metadata.fate(key))}`)
  return lines
}

function ofField(path: string, policy: Policy): string[] {
  const lines = ['value: scanned by every detector']
  const { metadata } = policy
  if (path === 'log.body') {
    lines.push(`content${metadata === undefined ? '' : `: ${describeFate(metadata.ofBody)}`}`)
    if (metadata?.hasTemplate) lines.push('its template stays as douane.template')
    if (metadata?.judgesBody) lines.push('a structured body is judged field by field: log.body.<name>')
  } else if (path.startsWith('log.body.') && metadata !== undefined) {
    lines.push(`metadata rule: ${metadata.allowsInBody(path) ? 'allowed' : describeFate(metadata.ofBody)}`)
  }
  return lines
}

function describeFate({ is, isSealed }: Fate): string {
  if (is === 'clear') return 'allowed'
  if (is === 'gone') return 'content, dropped'
  const content = isSealed ? 'content, sealed' : 'content, kept where a purpose may hold content'
  return is === 'content' ? content : `allowed for some of these purposes; for the others ${content} or dropped`
}

/** Every detector is masked unless a line says otherwise. */
function ofFindings(policy: Policy): string[] {
  const lines = new Set<string>()
  for (const detector of policy.detectors) {
    const { treatment, origin } = policy.ofDetector(detector)
    const isPlain = strictness(treatment.action) === strictness(plain('mask').action) && origin === 'built in'
    if (isPlain) continue
    const name = origin.includes(detector.name) ? detector.name : detector.type
    lines.add(`finding of ${name}: ${describeTreatment(treatment)} (${origin})`)
  }
  return [...lines, 'finding of any other detector: mask (built in)']
}
