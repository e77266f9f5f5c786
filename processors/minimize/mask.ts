/** The label that stands for a masked value, and masks that leave the first or last characters. */
import type { Treatment } from './treatment.ts'

export const maskLabel = (type: string): string => `<${type}>`

/**
 * `<credit_card>`, or `4111…1111` where the rule keeps ends. At least half of the characters go, else the label stands
 * alone; how many went is not shown. Characters are code points: none is cut in two.
 */
export function masked(type: string, text: string, { keepFirst, keepLast }: Treatment): string {
  if (keepFirst + keepLast === 0) return maskLabel(type)
  const characters = Array.from(text.length > 4096 ? '' : text)
  if (characters.length < 2 * (keepFirst + keepLast)) return maskLabel(type)
  return `${characters.slice(0, keepFirst).join('')}…${characters.slice(characters.length - keepLast).join('')}`
}
