/**
 * Everything that may stand in a configuration of this program.
 */
import { exporters } from '../exporters/registry.ts'
import { processors } from '../processors/registry.ts'
import { authenticators } from '../src/receive/authenticate/open.ts'
import { backupOptions } from './backup_options.ts'
import type { Registries } from './gateway_config.ts'
import type { ExtensionComponent } from './service.ts'

const extensions = Object.entries(authenticators).map(([name, { schema }]): ExtensionComponent => {
  return { kind: 'extension', name, config: schema }
})

/** What the gateway does besides its pipelines. */
const backup: ExtensionComponent = { kind: 'extension', name: 'backup', config: backupOptions }

export const builtIn: Registries = { processors, exporters, extensions: [...extensions, backup] }
