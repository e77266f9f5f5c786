/** The detectors by number: findings carry the number, people read the name. */
export interface Detector {
  readonly name: string
  /** One name per type (docs/detectors.md): config, masks, metrics and `scan` agree on it. */
  readonly type: string
}

export const detectors: Detector[] = []
const byName = new Map<string, number>()

/** The number of a detector; the first call with a name registers it. A type's own detector has the type's name. */
export function detector(name: string, type: string = name): number {
  const known = byName.get(name)
  if (known !== undefined) return known
  detectors.push({ name, type })
  byName.set(name, detectors.length - 1)
  return detectors.length - 1
}
