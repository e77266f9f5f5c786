/** Requests whose records say their number in eight letters, which no detector takes for anything, written in place. */
import { bytes, record, request } from '../../e2e/requests.ts'

export const recordsEach = 400
/** Before and behind the letters. */
const [before, behind] = [Buffer.from('<zq'), 0x3e]
const letters = 6

/** One request's bytes, and what writes the numbers `first`, `first + 1`, … into them. */
export function numbered(): { bytes: Buffer; write: (first: number) => void } {
  const text = `order <zq${'a'.repeat(letters)}> was packed by hand in hall seven`
  const attributes = { 'http.route': '/orders/{id}', 'enduser.email': 'jane.doe@example.com', 'worker.id': 7n }
  const records = Array.from({ length: recordsEach }, () => record(text, { with: attributes }))
  const body = bytes(request('acme', records))
  const places: number[] = []
  for (let at = body.indexOf(before); at >= 0; at = body.indexOf(before, at + 1)) places.push(at + before.length)
  const write = (first: number) => {
    for (const [i, place] of places.entries()) {
      let rest = first + i
      for (let digit = letters - 1; digit >= 0; digit--) {
        body[place + digit] = 97 + (rest % 26)
        rest = Math.floor(rest / 26)
      }
    }
  }
  return { bytes: body, write }
}

/** Calls `each` with the number of each record in a body. */
export function numberOf(body: Buffer, each: (n: number) => void): void {
  for (let at = body.indexOf(before); at >= 0; at = body.indexOf(before, at + 1)) {
    const start = at + before.length
    if (body[start + letters] !== behind) throw new Error('a number was altered')
    let n = 0
    for (let digit = 0; digit < letters; digit++) n = n * 26 + body[start + digit]! - 97
    each(n)
  }
}
