/**
 * Makes bodies regular that no SDK writes (otlp/canonical.ts) without holding up everybody else.
 *
 * That work costs far more than reading regular bytes, and a sender decides how much of it comes. So it is done in
 * steps of a few milliseconds, between which other requests are served; one body at a time, since it takes many times
 * the body's memory; and few bodies may wait for it, so that they do not use up the room for all bodies in flight.
 */
import { setImmediate } from 'node:timers/promises'
import { limits } from '../limits.ts'
import { type Canonical, canonical, canonicalSteps } from '../otlp/canonical.ts'

export class IrregularBodies {
  #last: Promise<unknown> = Promise.resolve()
  #bytes = 0

  /**
   * Rejects with `WireError` where the framing is lost. Undefined: too many wait, send it again later. `body` is read
   * until then.
   */
  async regular(body: Buffer): Promise<Canonical | undefined> {
    if (body.length <= limits.irregularAtOnceBytesMax) return canonical(body)
    if (this.#bytes > 0 && this.#bytes + body.length > limits.irregularBytesMax) return undefined
    this.#bytes += body.length
    const before = this.#last
    const work = before.then(() => inSteps(body))
    this.#last = work.catch(() => {})
    try {
      return await work
    } finally {
      this.#bytes -= body.length
    }
  }
}

async function inSteps(body: Buffer): Promise<Canonical> {
  const steps = canonicalSteps(body)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    await setImmediate()
  }
}
