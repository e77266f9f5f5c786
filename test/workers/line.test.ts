/** The line between the process above the workers and a worker: what crosses it, in which kind, and what when it is cut. */
import { expect, test } from 'vitest'
import { ConfigRefused } from '../../config/problem.ts'
import { ConfigError, DependencyError, DouaneError, KeyError } from '../../src/errors.ts'
import { type Answers, Line, LineCut } from '../../src/workers/line.ts'

/** Two ends of one line; messages cross as Node's channel carries them. */
function lineWith(answers: Answers) {
  const failed: string[] = []
  const tell = (what: string): void => void failed.push(what)
  const here: Line = new Line((message) => queueMicrotask(() => there.take(structuredClone(message))), {}, tell)
  const there: Line = new Line((message) => queueMicrotask(() => here.take(structuredClone(message))), answers, tell)
  return { here, there, failed }
}

test('questions get their own answers, in whatever order they come', async () => {
  const slow = Promise.withResolvers<string>()
  const { here } = lineWith({ slow: () => slow.promise, double: (n: number) => n * 2, bytes: (b: Uint8Array) => b })
  const first = here.ask('slow')
  expect(await Promise.all([here.ask('double', 4), here.ask('double', 5)])).toEqual([8, 10])
  expect(await here.ask('bytes', Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2))
  slow.resolve('at last')
  expect(await first).toBe('at last')
})

test('an error arrives as the kind that it was, with what to do', async () => {
  const problem = { file: 'a.yaml', line: 3, column: 1, path: 'service', what: 'is wrong' }
  const thrown: Record<string, Error> = {
    refused: new ConfigRefused([problem]),
    config: new ConfigError('no such purpose', ['a', 1], 'Name another.'),
    dependency: new DependencyError('the port is in use', 'Stop that program.'),
    key: new KeyError('no key', 'Restore it.'),
    queue: new DouaneError('queue', 'full'),
  }
  const { here } = lineWith({
    fail: (name: string) => {
      throw thrown[name]!
    },
    defect: () => Promise.reject(new TypeError('x is not a function')),
  })
  for (const [name, error] of Object.entries(thrown)) {
    const told = await here.ask('fail', name).catch((caught: unknown) => caught)
    expect(told).toBeInstanceOf(error.constructor)
    expect(told).toMatchObject({ message: error.message, ...(error instanceof DouaneError && { fix: error.fix }) })
  }
  const told = await here.ask('defect').catch((caught: unknown) => caught)
  expect(told).toMatchObject({ code: 'defect', message: expect.stringContaining('x is not a function') })
})

test('what is asked of one that is gone is refused at once, what is told is dropped', async () => {
  const { here, there } = lineWith({ never: () => new Promise(() => {}) })
  const asked = here.ask('never')
  here.cut()
  await expect(asked).rejects.toBeInstanceOf(LineCut)
  await expect(here.ask('never')).rejects.toBeInstanceOf(LineCut)
  here.tell('anything', 1)
  // And messages that are not ours are left alone.
  there.take({ cmd: 'NODE_DEBUG_ENABLED' })
})

test('a note that cannot be taken is told, and the line goes on', async () => {
  const heard: number[] = []
  const { here, failed } = lineWith({
    note: (n: number) => {
      if (n === 1) throw new TypeError('a defect')
      heard.push(n)
    },
    done: () => 'done',
  })
  for (const n of [0, 1, 2]) here.tell('note', n)
  here.tell('unknown', 3)
  expect(await here.ask('done')).toBe('done')
  expect(heard).toEqual([0, 2])
  expect(failed).toEqual(['note', 'unknown'])
})
