/** `douane explain --path`: the rules in force for a field, and who says so. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import minimize from '../../processors/minimize/index.ts'
import { loadAccepted } from '../../src/commands/common.ts'
import { fieldText } from '../../src/commands/explain.ts'
import { ConfigError } from '../../src/errors.ts'
import { explainField } from '../../src/explain_path.ts'
import { testHost } from '../processors/minimize/support.ts'

describe('minimize', () => {
  const options = {
    keys: { 'user.*': 'hash', 'user.age': { action: 'generalize', range: 10 } },
    detectors: { email: { action: 'mask', keep_first: 1 }, github_pat: 'drop' },
    custom_detectors: [{ name: 'ticket', pattern: 'TCK', action: 'hash' }],
    tenants: { acme: { detectors: { email: 'drop' } } },
    purposes: {
      billing: {
        keys: { 'user.age': 'mask' },
        metadata: { allowed_keys: ['invoice.*', 'log.body.event'], template: true },
      },
    },
  }
  const processor = minimize.create(minimize.config.parse(options), testHost())
  const told = (path: string, tenant = '', purposes: string[] = []) => processor.explainPath!(path, tenant, purposes)

  test('the strictest rule and where it stands', () => {
    expect(told('log.attributes["user.age"]')).toContain('value: hash (keys["user.*"])')
    expect(told('log.attributes["user.age"]', '', ['billing'])).toContain(
      'value: mask (purposes.billing.keys["user.age"])',
    )
    expect(told('log.attributes["session.id"]')).toContain('value: hash (a known key (session_id))')
    expect(told('log.attributes["note"]')).toContain('value: scanned by every detector')
    expect(told('log.attributes["url.query"]')).toContain('value: opened where it is encoded (percent)')
  })
  test('findings in it', () => {
    const lines = told('log.body', 'acme')
    expect(lines).toContain('finding of email: drop (tenants.acme.detectors.email)')
    expect(lines).toContain('finding of github_pat: drop (detectors.github_pat)')
    expect(lines).toContain('finding of ticket: hash (custom_detectors ticket)')
    expect(lines).toContain('finding of ip: generalize (built in)')
    expect(lines.at(-1)).toBe('finding of any other detector: mask (built in)')
    expect(told('log.body')).toContain('finding of email: mask, first 1 stay (detectors.email)')
  })
  test('the metadata rule of a purpose', () => {
    expect(told('log.attributes["note"]', '', ['billing'])).toContain('metadata rule: content, dropped')
    expect(told('log.attributes["invoice.id"]', '', ['billing'])).toContain('metadata rule: allowed')
    expect(told('log.body', '', ['billing'])).toContain('its template stays as douane.template')
    expect(told('log.body.event', '', ['billing'])).toContain('metadata rule: allowed')
    expect(told('log.body.event.x', '', ['billing'])).toContain('metadata rule: content, dropped')
    expect(told('log.attributes["note"]', '', ['billing', 'support']).join('\n')).toContain(
      'allowed for some of these purposes',
    )
  })
})

describe('the whole', () => {
  const config = loadAccepted(['config/enterprise.yaml'])
  test('names copies by purpose', () => {
    const text = fieldText(explainField(config, 'log.attributes["comment"]', 'acme', ['billing'], 0))
    expect(text).toContain('metadata rule: content, sealed')
    expect(text).toContain('copy for billing: left out, not in its allowed_keys')
    expect(text).not.toContain('copy for support')
    expect(fieldText(explainField(config, 'log.body.x', '', [], 0))).toContain('content, sealed')
  })
  test('the example of docs/minimize.md', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/minimize.md'), 'utf8')
    const [, tenant, path, told] =
      /\$ douane explain [^\n]*--tenant (\S+)[^\n]*--path '([^\n]*)'\n([\s\S]*?)\n```/.exec(page)!
    expect(fieldText(explainField(config, path!, tenant!, ['billing'], 0))).toBe(told)
  })
  test('a path that is none and a purpose that nobody knows are refused', () => {
    expect(() => explainField(config, 'log.nothing', '', [], 0)).toThrow(ConfigError)
    expect(() => explainField(config, 'log.body', '', ['biling'], 0)).toThrow(/no purpose "biling"/)
  })
})
