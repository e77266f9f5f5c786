/** Tells when a source turns fast, slow, late or healthy: in our own log, without its name; and how many are what. */
import type { Host } from '../../src/contract.ts'
import { limits } from '../../src/limits.ts'
import { evidenceKinds } from './evidence.ts'
import { MINUTE } from './instant.ts'
import { B, B_ROW, F, F_ROW, G, G_ROW, State, stateNames } from './sources.ts'
import type { Tracker } from './tracker.ts'

export class Turns {
  readonly #tracker: Tracker
  readonly #host: Host
  #minute = Number.NaN
  #told = 0

  constructor(tracker: Tracker, host: Host) {
    this.#tracker = tracker
    this.#host = host
    const { sources, gateway } = tracker
    for (const state of ['healthy', 'fast', 'slow', 'late'] as const) {
      host.gauge(`sources_${state}`, `Sources whose clocks are ${state}.`, () => this.#count(State[state]))
    }
    host.gauge('sources', 'Sources that are followed.', () => sources.count)
    host.gauge('evicted_sources', 'Sources that were forgotten for others, ever.', () => sources.evicted)
    host.gauge('gateway_offset_seconds', "What the gateway's own clock is behind by.", () => gateway.offset / 1e9)
    host.gauge('gateway_suspect', "1 while the gateway's own clock is suspected or known to be wrong.", () =>
      gateway.isSuspect ? 1 : 0,
    )
  }

  tell(row: number, from: State, to: State, at: number): void {
    if (from === State.cold && to === State.healthy) return
    const minute = Math.floor(at / MINUTE)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#told = 0
    }
    if (this.#told++ >= limits.clockTurnsToldMax) return
    const { sources } = this.#tracker
    const evidence = sources.u8[row * B_ROW + B.Evidence]!
    this.#host.log.info('clock_turned', {
      source: sources.id(row),
      from: stateNames[from],
      to: stateNames[to],
      offset_ms: Math.round(sources.f64[row * F_ROW + F.Offset]! / 1e6),
      uncertainty_ms: Math.round(sources.f32[row * G_ROW + G.Uncertainty]! / 1e6),
      evidence: evidence === 0 ? 'none' : evidenceKinds[evidence - 1]!,
    })
  }

  #count(state: State): number {
    const { u8, count } = this.#tracker.sources
    let found = 0
    for (let row = 0; row < count; row++) if (u8[row * B_ROW + B.State] === state) found++
    return found
  }
}
