/** The parts of tag_purpose's configuration that have a form of their own: names, conditions, paths. */
import { z } from 'zod'
import { type Condition, parseCondition, parsePath } from '../../src/ottl/checker.ts'
import type { Path } from '../../src/ottl/paths.ts'
import { ConditionError } from '../../src/ottl/syntax.ts'

const namePattern = /^[a-z][a-z0-9_]{0,62}$/

export const purposeName = () =>
  z.string().regex(namePattern, 'a purpose is named in small letters, digits and _, such as security')

export const purposeNames = () =>
  z
    .union([purposeName(), z.array(purposeName()).min(1)])
    .transform((names) => (typeof names === 'string' ? [names] : names))

/** What a parser of ours complains about, as a schema's issue: `offset` lets the loader point into the text. */
function parsed<Output>(parse: (text: string) => Output) {
  return (text: string, context: z.core.$RefinementCtx): Output => {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error
      const message = error.fix === undefined ? error.message : `${error.message}; ${error.fix}`
      context.addIssue({ code: 'custom', message, params: { offset: error.offset }, input: text })
      return z.NEVER
    }
  }
}

/** An OTTL condition; the output is checked and ready to be compiled. */
export const condition = () => z.string().transform(parsed<Condition>(parseCondition))

/** An OTTL path; the output is resolved. */
export const recordPath = () => z.string().transform(parsed<Path>(parsePath))
