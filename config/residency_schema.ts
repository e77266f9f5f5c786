/**
 * The shape of `residency.yaml`. What the shape cannot say (names that must exist, contradictions) is in residency.ts.
 */
import { z } from 'zod'
import { retention, timeZone } from '../src/units.ts'

const contentRules = ['drop', 'encrypt', 'keep'] as const
const residencies = ['local', 'central', 'split', 'quarantine', 'reject'] as const

const names = (what: string) => z.array(z.string().min(1)).min(1).describe(what)

export const regionSchema = z
  .strictObject({
    jurisdiction: names('Where the region lies, from near to wide: [DE, EU].'),
    pipeline: z.string().min(1).describe('The pipeline that brings records there: logs/eu_de.'),
    central: z.boolean().default(false).describe('The central region. At most one.'),
  })
  .describe('A named place with a jurisdiction.')

export const purposeSchema = z
  .strictObject({
    description: z.string().default('').describe('For people: why records are kept for this purpose.'),
    retention: retention().describe('How long: 6d, 30d, 1mo, 18mo, 7y.'),
    content: z.enum(contentRules).default('drop').describe('What happens to content in the copies for this purpose.'),
    counts: retention()
      .describe('How long the daily counts of its records are kept, which hold no content: 7y. Else as the records.')
      .optional(),
    allowed_keys: names('Attribute keys that the copies for this purpose may hold; "http.*" is a prefix.').optional(),
  })
  .describe('Why a record is kept.')

const tenantPurposeSchema = z
  .strictObject({
    residency: z.enum(residencies).optional().describe("Instead of the tenant's residency."),
    retention: retention().optional().describe("Shorter than the purpose's own."),
    content: z.enum(contentRules).optional().describe("Stricter than the purpose's own."),
  })
  .describe('What differs for this tenant.')

export const tenantSchema = z
  .strictObject({
    residency: z.enum(residencies).describe("Where the tenant's records may be."),
    region: z.string().min(1).optional().describe("The tenant's region, for local and split."),
    regions: names('Several regions instead: the primary first, then those to fail over to.').optional(),
    central_purposes: names('Purposes whose metadata also goes to the central region, for split.').optional(),
    jurisdictions: names('The records never leave these: every region of the tenant must lie in one.').optional(),
    purposes: z.record(z.string(), tenantPurposeSchema).optional().describe('What differs by purpose.'),
    usage_limits: z
      .record(z.string().min(1), z.int().min(0))
      .optional()
      .describe('How many records of an event a calendar month has, for who asks: { llm.request: 1000 }.'),
  })
  .describe("A customer's rule.")
export type TenantOptions = z.output<typeof tenantSchema>

/** The whole file, for `schema`. Loading checks its sections one by one, so that each entry keeps its position. */
export const policySchema = z
  .strictObject({
    regions: z.record(z.string(), regionSchema).describe('Places where records may be kept.'),
    purposes: z.record(z.string(), purposeSchema).describe('Why records are kept, and how long.'),
    tenants: z.record(z.string(), tenantSchema).optional().describe('Customers.'),
    time_zone: timeZone()
      .optional()
      .describe('Whose calendar months and days are counted on: Europe/Brussels. Left out: UTC.'),
    default: tenantSchema.optional().describe('For everybody else. Left out: quarantine.'),
  })
  .describe('The data-residency policy.')
