/**
 * The options of the extension `subject_requests`: where what people asked for is written, and by when.
 */
import { z } from 'zod'
import { retentionText, s3Options } from './backup_options.ts'

const place = z
  .strictObject({
    path: z.string().min(1).optional().describe('A folder in that region, relative to this file; or `s3`.'),
    s3: s3Options.optional().describe('S3-compatible object storage in that region.'),
  })
  .refine(({ path, s3 }) => (path === undefined) !== (s3 === undefined), 'needs either `path` or `s3`')

export const subjectOptions = z
  .strictObject({
    answer_within: retentionText()
      .default('1mo')
      .describe('By when a request has to be answered. The GDPR gives a month.'),
    places: z
      .record(z.string(), place)
      .default({})
      .describe(
        'Region → where exports of the stores in it are written. Left out: the data directory, for embedded stores.',
      ),
  })
  .describe('Requests of people about their data: `douane subject`.')
export type SubjectOptions = z.output<typeof subjectOptions>
