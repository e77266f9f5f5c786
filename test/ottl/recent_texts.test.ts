/** What stands for a text stands for no other: same length, same ends, one byte apart in the middle. */
import { expect, it } from 'vitest'
import { LogsRequest } from '../../src/otlp/request.ts'
import { RecentTexts, UNKNOWN } from '../../src/ottl/recent_texts.ts'
import { View } from '../../src/ottl/view.ts'
import { recordOf, requestOf } from './records.ts'

const scanned = new LogsRequest()

/** A view of a record with this event name. */
function viewOf(eventName: string): View {
  const view = new View()
  view.visit(recordOf(requestOf({ record: { eventName } }), scanned))
  return view
}

it('knows a text again, and none that differs in one byte', () => {
  for (let length = 4; length <= 40; length++) {
    const text = 'abcdefgh'.repeat(5).slice(0, length)
    const texts = new RecentTexts()
    const view = viewOf(text)
    expect(texts.find(view, view.record.eventName)).toBe(UNKNOWN)
    texts.learn(view, 7)
    expect(texts.find(view, view.record.eventName)).toBe(7)
    for (let at = 0; at < length; at++) {
      const other = viewOf(`${text.slice(0, at)}Z${text.slice(at + 1)}`)
      expect(texts.find(other, other.record.eventName), `byte ${at} of ${length}`).toBe(UNKNOWN)
    }
  }
})

it('gives a place to the last of the texts that want it', () => {
  const texts = new RecentTexts()
  for (let i = 0; i < 2_000; i++) {
    const view = viewOf(`event.number.${i}`)
    const found = texts.find(view, view.record.eventName)
    expect(found).toBe(UNKNOWN)
    texts.learn(view, i)
    expect(texts.find(view, view.record.eventName)).toBe(i)
  }
})
