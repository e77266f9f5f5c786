/**
 * The options of the extension `backup`, as they stand in a configuration.
 */
import { z } from 'zod'
import { limits } from '../src/limits.ts'
import { compareRetention, parseRetention, UnitError } from '../src/units.ts'

/** A retention as it is written, so that it is printed as it was read. */
export const retentionText = (longest?: string) =>
  z.string().superRefine((text, context) => {
    try {
      const isTooLong = longest !== undefined && compareRetention(parseRetention(text), parseRetention(longest)) > 0
      if (isTooLong) context.addIssue(`is longer than ${longest}`)
    } catch (error) {
      if (!(error instanceof UnitError)) throw error
      context.addIssue(error.message)
    }
  })

export const s3Options = z
  .strictObject({
    endpoint: z
      .string()
      .regex(/^https?:\/\/[^\s/@?#]+$/, 'is not a URL like https://s3.eu-central-1.amazonaws.com, without a path')
      .describe('The address of the storage.'),
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'is not the name of a bucket')
      .describe('The bucket; it must be there, and be private.'),
    prefix: z
      .string()
      .regex(/^(?:[\w.-]+(?:\/[\w.-]+)*)?$/, 'is not a prefix such as backups/eu')
      .default('')
      .describe('Names of objects begin with it.'),
    signing_region: z.string().min(1).default('us-east-1').describe('What the storage calls its own region.'),
    path_style: z.boolean().default(true).describe('The bucket in the path; false: in the name of the host.'),
    access_key_id: z.string().min(1).describe('The access key.'),
    secret_access_key: z.string().min(1).meta({ secret: true }).describe('Its secret; take it from the environment.'),
    session_token: z.string().min(1).optional().meta({ secret: true }).describe('Of temporary credentials.'),
  })
  .describe('S3-compatible object storage.')
export type S3Options = z.output<typeof s3Options>

export const backupOptions = z
  .strictObject({
    region: z.string().min(1).describe('The region in which the backups lie.'),
    stores: z.array(z.string()).min(1).optional().describe('Ids of postgres exporters. Left out: all of this region.'),
    path: z.string().min(1).optional().describe('A folder, relative to this file; or `s3`.'),
    s3: s3Options.optional().describe('S3-compatible object storage.'),
    schedule: z
      .enum(['hourly', 'nightly', 'none'])
      .default('nightly')
      .describe('When: each full hour, at one in the morning (UTC), or only by `douane backup run`.'),
    keep: retentionText(limits.backupKeptMax)
      .default('30d')
      .describe('How long a backup is kept. What it holds goes earlier where its retention ends earlier.'),
    recipient: z
      .string()
      .regex(/^x25519:[A-Za-z0-9_-]{43}$/, 'is not a key that `douane backup keys` prints')
      .optional()
      .describe('Seal to this key, whose private half is elsewhere. Left out: to the keys of the data directory.'),
  })
  .refine(({ path, s3 }) => (path === undefined) !== (s3 === undefined), 'needs either `path` or `s3`')
  .describe('Backs up PostgreSQL stores, encrypted, and deletes backups in time.')
export type BackupOptions = z.output<typeof backupOptions>
