/**
 * Which batches go together, and when: without PostgreSQL.
 */
import { expect, test } from 'vitest'
import { BatchLine, type Sending } from '../../../exporters/postgres/batch_line.ts'
import type { Batch, Outcome } from '../../../src/contract.ts'
import { limits } from '../../../src/limits.ts'
import { never } from './fixture.ts'

const batch = (id: string, bytes = 10): Batch => ({ id, body: Buffer.alloc(bytes), records: 1 }) as Batch
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A line whose groups are ended by hand, in the order in which they got a connection. */
function lineOf(connections: number) {
  const made: string[][] = []
  const sending: (() => void)[] = []
  let most = 0
  const line = new BatchLine(connections, async (group: readonly Sending[], connection) => {
    made.push(group.map(({ batch }) => batch.id))
    await connection()
    await new Promise<void>((end) => {
      sending.push(end)
      most = Math.max(most, sending.length)
    })
    return group.map((): Outcome => ({ is: 'accepted' }))
  })
  const answered: string[] = []
  const send = (id: string, bytes?: number) =>
    line.send(batch(id, bytes), never).then(({ is }) => answered.push(`${id} ${is}`))
  const end = async () => {
    sending.shift()!()
    for (let i = 0; i < 3; i++) await turn()
  }
  return { made, sending, answered, send, end, most: () => most }
}

test('one group more than there are connections is made, and what comes then goes together', async () => {
  const { made, sending, answered, send, end, most } = lineOf(2)
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
    void send(id)
    await turn()
    await turn()
  }
  expect(made).toEqual([['a'], ['b'], ['c']])
  expect(sending).toHaveLength(2)
  await end()
  expect(answered).toEqual(['a accepted'])
  // What was made has the connection, and the next group is made.
  expect(sending).toHaveLength(2)
  expect(made).toEqual([['a'], ['b'], ['c'], ['d', 'e', 'f']])
  while (sending.length > 0) await end()
  expect(answered).toHaveLength(6)
  expect(most()).toBe(2)
})

test('a group has at most so many batches and bytes; a large one goes alone', async () => {
  const { made, sending, answered, send, end } = lineOf(1)
  void send('first')
  await turn()
  void send('second')
  await turn()
  void send('large', limits.storeTogetherBytesMax + 1)
  for (let i = 0; i < limits.storeTogetherMax + 1; i++) void send(`n${i}`)
  await turn()
  while (sending.length > 0) await end()
  expect(made.map(({ length }) => length)).toEqual([1, 1, 1, limits.storeTogetherMax, 1])
  expect(made[2]).toEqual(['large'])
  expect(answered).toHaveLength(limits.storeTogetherMax + 4)
})

test('a group that needs no connection holds none', async () => {
  const line = new BatchLine(1, async (group) => group.map((): Outcome => ({ is: 'rejected', reason: 'no' })))
  for (let i = 0; i < 5; i++) expect(await line.send(batch(`${i}`), never)).toEqual({ is: 'rejected', reason: 'no' })
})
