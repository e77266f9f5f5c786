/** Every processor there is. A new one is added here, and nowhere else. */
import type { ProcessorComponent } from '../src/contract.ts'

export const processors: readonly ProcessorComponent[] = []
