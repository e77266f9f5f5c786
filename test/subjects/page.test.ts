/** The worked example of docs/subjects.md, as it stands there. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { examplesOf, followsExample } from '../docs/worked_example.ts'
import { runHere } from '../e2e/here.ts'
import { fillAll, makeWorld, type World } from './fixture.ts'

let world: World
beforeAll(async () => {
  world = await makeWorld()
  await fillAll(world, 3)
})
afterAll(() => world.close())

test('docs/subjects.md shows what the commands tell', async () => {
  for (const example of examplesOf('subjects.md')) {
    const isList = example.words.includes('list')
    const shared = isList ? ['--data-dir', world.root] : world.shared
    const { stdout, stderr, code } = await runHere([...example.words, ...shared])
    expect([example.words.slice(0, 2).join(' '), code]).toEqual([example.words.slice(0, 2).join(' '), 0])
    followsExample(example, stdout + stderr)
  }
})
