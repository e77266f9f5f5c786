/**
 * nop: takes everything and does nothing with it. For measuring, and for pipelines under construction. docs/exporters.md
 */
import { z } from 'zod'
import { exporter, type Outcome } from '../src/contract.ts'

const accepted: Outcome = { is: 'accepted' }

export const nop = exporter({
  name: 'nop',
  purposes: 'merged',
  local: true,
  config: z.strictObject({}),
  create: () => ({
    send: async (_batch, signal) => (signal.aborted ? { is: 'unavailable', reason: 'aborted' } : accepted),
    close: async () => {},
  }),
})
