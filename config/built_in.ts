/**
 * Everything that may stand in a configuration of this program.
 */
import { exporters } from '../exporters/registry.ts'
import { processors } from '../processors/registry.ts'
import type { Registries } from './gateway_config.ts'

export const builtIn: Registries = { processors, exporters }
