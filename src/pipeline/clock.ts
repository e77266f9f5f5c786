/** Time as the pipeline sees it: lent from outside, so that tests decide how it passes. Milliseconds. */
export interface Clock {
  /** Wall clock, Unix milliseconds. */
  nowMs(): number
  /** Runs `run` once after `ms`. Whoever stops cancels it: a waiting timer keeps the process alive. */
  after(ms: number, run: () => void): Timer
}
export interface Timer {
  cancel(): void
}

/** setTimeout counts in a signed 32-bit integer; a longer wait is cut, and whoever waits looks at the clock again. */
const timeoutMsMax = 2 ** 31 - 1

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), timeoutMsMax))
    return { cancel: () => clearTimeout(timer) }
  },
}
