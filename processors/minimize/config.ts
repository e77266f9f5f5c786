/** The options of `minimize`. What they compile to, a policy for each combination of tenant and purposes, is policy.ts. */
import { z } from 'zod'
import { limits } from '../../src/limits.ts'
import { checksumNames } from './detect/checksums.ts'
import { treatment } from './treatment.ts'

const rules = {
  detectors: z
    .record(z.string(), treatment)
    .default({})
    .describe('What is done with a finding, by type (`email`) or by detector (`github_pat`). Every detector is on.'),
  keys: z
    .record(z.string(), treatment)
    .default({})
    .describe('What is done with the value of a key, whatever it holds. Whole keys; `*` stands for anything.'),
}

const metadata = z
  .strictObject({
    allowed_keys: z
      .array(z.string())
      .describe(
        'Keys that are metadata; `*` stands for anything. All others are content. Fields of a structured body are `log.body.<name>`.',
      ),
    otherwise: z
      .enum(['drop', 'encrypt', 'keep'])
      .default('drop')
      .describe('What is done with content: taken out, sealed, or kept where a purpose may hold content.'),
    template: z
      .boolean()
      .default(false)
      .describe(
        'Keep the constant words of a text body as `douane.template`, with `<*>` for all else, so that messages can be grouped.',
      ),
    template_words: z
      .array(z.string())
      .default([])
      .describe('Words that are constant in your messages, besides known ones.'),
  })
  .describe('Only metadata leaves. Left out: no such rule.')

const customDetector = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_]*$/)
    .describe('The type of its findings, and of their mask.'),
  pattern: z
    .string()
    .min(1)
    .max(limits.customPatternLengthMax)
    .describe('A regular expression that RE2 knows; matched in linear time.'),
  action: treatment.default('mask').describe('What is done with a finding.'),
  context: z
    .array(z.string().min(1))
    .default([])
    .describe('A finding counts only where one of these words stands in the key or shortly before it.'),
  checksum: z
    .enum(checksumNames)
    .optional()
    .describe('A finding counts only if this checksum holds over its letters and digits.'),
})

export const config = z.strictObject({
  ...rules,
  metadata: metadata.optional(),
  custom_detectors: z.array(customDetector).default([]).describe('Your own detectors.'),
  tenants: z
    .record(z.string(), z.strictObject(rules))
    .default({})
    .describe('Stricter rules for one tenant. Where several rules speak, the strictest wins.'),
  purposes: z
    .record(z.string(), z.strictObject({ ...rules, metadata: metadata.optional() }))
    .default({})
    .describe('Stricter rules for records of one purpose; its metadata rule holds for its copies alone.'),
  annotations: z
    .enum(['silent', 'info', 'debug'])
    .default('info')
    .describe('`info` adds counts to a changed record, `debug` the keys and types too. Never payload.'),
  hash_cache: z.boolean().default(true).describe('Keep hashed values in memory, so that equal values are hashed once.'),
})
export type Config = z.output<typeof config>
export type MetadataRule = z.output<typeof metadata>
export type CustomDetectorOption = z.output<typeof customDetector>
