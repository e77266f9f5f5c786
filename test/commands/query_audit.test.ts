import { describe, expect, it } from 'vitest'
import { withoutValues } from '../../src/commands/query_audit.ts'

describe('a condition in the access audit', () => {
  it.each([
    ['log.attributes["http.status"] == 200', 'log.attributes["http.status"] == ?'],
    ['log.body == "Ada \\" ] [Lovelace" or IsMatch(log.body, "Ada.*")', 'log.body == ? or IsMatch(log.body, ?)'],
    ['log.severity_number >= SEVERITY_NUMBER_ERROR', 'log.severity_number >= SEVERITY_NUMBER_ERROR'],
    ['resource.attributes[ "k" ]["l"] == -1.5e3', 'resource.attributes[ "k" ]["l"] == -?'],
    ['log.body == ["Ada", "Lovelace"]', 'log.body == [?, ?]'],
    ['log.trace_id == 0x0102', 'log.trace_id == ?'],
    ['"[" == log.attributes["x"] and "Ada" == log.body', '? == log.attributes["x"] and ? == log.body'],
  ])('%s', (condition, shown) => {
    expect(withoutValues(condition)).toBe(shown)
  })
})
