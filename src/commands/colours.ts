/** Colours on a terminal only, and never where NO_COLOR is set: a pipe gets plain text, on a CI machine too. */
import { createColors } from 'picocolors'

export const colours = createColors(process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined)
