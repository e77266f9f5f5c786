/** The options of `minimize`, and what they compile to: a policy for each combination of tenant and purposes. */
import { z } from 'zod'

/** From the mildest to the strictest: where several rules speak, the strictest wins. */
export const actions = ['keep', 'generalize', 'encrypt', 'hash', 'mask', 'drop'] as const
export type Action = (typeof actions)[number]
const order: Readonly<Record<Action, number>> = { keep: 0, generalize: 1, encrypt: 2, hash: 3, mask: 4, drop: 5 }
export const strictness = (action: Action): number => order[action]

const action = z.enum(actions)
const rules = {
  detectors: z
    .record(z.string(), action)
    .default({})
    .describe('What is done with a finding, by type (`email`) or by detector (`github_pat`). Every detector is on.'),
  keys: z
    .record(z.string(), action)
    .default({})
    .describe('What is done with the value of a key, whatever it holds. Whole keys; `*` stands for anything.'),
}

const metadata = z
  .strictObject({
    allowed_keys: z
      .array(z.string())
      .describe('Keys that are metadata; `*` stands for anything. All others are content.'),
    otherwise: z
      .enum(['drop', 'encrypt', 'keep'])
      .default('drop')
      .describe('What is done with content: taken out, sealed, or kept where a purpose may hold content.'),
  })
  .describe('Only metadata leaves. Left out: no such rule.')

export const config = z.strictObject({
  ...rules,
  metadata: metadata.optional(),
  custom_detectors: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[a-z][a-z0-9_]*$/)
          .describe('The type of its findings, and of their mask.'),
        pattern: z.string().min(1).describe('A regular expression that RE2 knows; matched in linear time.'),
        action: action.default('mask').describe('What is done with a finding.'),
      }),
    )
    .default([])
    .describe('Your own detectors.'),
  tenants: z
    .record(z.string(), z.strictObject(rules))
    .default({})
    .describe('Stricter rules for one tenant. Where several rules speak, the strictest wins.'),
  purposes: z
    .record(z.string(), z.strictObject({ ...rules, metadata: metadata.optional() }))
    .default({})
    .describe('Stricter rules for records of one purpose.'),
  annotations: z
    .enum(['silent', 'info', 'debug'])
    .default('info')
    .describe('`info` adds counts to a changed record, `debug` the keys and types too. Never payload.'),
  hash_cache: z.boolean().default(true).describe('Keep hashed values in memory, so that equal values are hashed once.'),
})
export type Config = z.output<typeof config>
