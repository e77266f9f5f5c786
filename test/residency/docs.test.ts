/** The worked example of docs/residency.md, sent through a gateway; and what else its pages say of the program. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import type { LogRecord } from '../oracle/otlp.ts'
import { cleanUp, config, type Store, startGateway, startStore, until } from './rig.ts'

afterEach(cleanUp)

const page = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8')

/** The yaml blocks of a page, and the rows of its first table of five columns. */
const yaml = (text: string): string[] => [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => block!)
const rows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.split('|').length === 7)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .slice(2)

function formOf(store: Store, event: string): string {
  const found: LogRecord[] = store.records().filter(({ eventName }) => eventName === event)
  if (found.length > 1) return `${found.length} copies`
  const [record] = found
  if (record === undefined) return ''
  if (record.body === undefined) return 'without content'
  return record.body.stringValue?.startsWith('cose:') ? 'sealed' : 'in the clear'
}

test('every row of the worked example comes true', async () => {
  const text = page('residency.md')
  const policy = yaml(text).find((block) => block.startsWith('regions:'))!
  const example = rows(text)
  expect(example.length).toBe(9)
  for (const [tenant, event, atHome, atCentral, otherwise] of example) {
    const [home, central] = [await startStore(), await startStore()]
    const files = { 'config.yaml': config(home.url, central.url), 'residency.yaml': policy }
    const one = await startGateway(files)
    const status = await one.send(tenant!, [event!])
    const told = `${tenant}, ${event}`
    expect(status, told).toBe(otherwise === 'refused' ? 400 : 200)
    await until(() => one.gateway.status().total.in_flight === 0)
    expect([formOf(home, event!), formOf(central, event!)], told).toEqual([atHome, atCentral])
    expect(one.gateway.status().total, told).toMatchObject({
      quarantined: otherwise === 'quarantined' ? 1 : 0,
      rejected: otherwise === 'refused' ? 1 : 0,
    })
    await cleanUp()
  }
})

test('the limits that the pages name are those of the program', () => {
  expect(page('residency.md')).toContain(`At most ${limits.purposesMax} purposes`)
  expect(page('residency.md')).toContain(`${limits.routesMax.toLocaleString('en')} compiled routes`)
  const [quarantineGiB, deadGiB] = [limits.quarantineBytesMax / 2 ** 30, limits.deadLetterBytesMax / 2 ** 30]
  const text = page('quarantine.md').replaceAll('\n', ' ')
  expect(text).toContain(`The quarantine holds ${quarantineGiB} GiB`)
  expect(text).toContain(`older than ${limits.quarantineAgeMsMax / 86_400_000} days`)
  expect(text).toContain(`hold ${deadGiB} GiB or ${limits.deadLettersMax.toLocaleString('en')} batches`)
})
