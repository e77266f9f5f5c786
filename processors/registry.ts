/** Every processor there is. A new one is added here, and nowhere else. */
import type { ProcessorComponent } from '../src/contract.ts'
import encrypt from './encrypt/index.ts'
import minimize from './minimize/index.ts'
import { normalizeClock } from './normalize_clock.ts'
import { tagPurpose } from './tag_purpose.ts'

export const processors: readonly ProcessorComponent[] = [normalizeClock, tagPurpose, minimize, encrypt]
