/**
 * Everything that may stand in a configuration of this program.
 */
import { exporters } from '../exporters/registry.ts'
import { processors } from '../processors/registry.ts'
import { authenticators } from '../src/receive/authenticate/open.ts'
import { backupOptions } from './backup_options.ts'
import type { Registries } from './gateway_config.ts'
import type { ExtensionComponent } from './service.ts'
import { subjectOptions } from './subject_options.ts'

const extensions = Object.entries(authenticators).map(([name, { schema }]): ExtensionComponent => {
  return { kind: 'extension', name, config: schema }
})

/** What is done with stores besides the pipelines. */
const ofStores: readonly ExtensionComponent[] = [
  { kind: 'extension', name: 'backup', config: backupOptions },
  { kind: 'extension', name: 'subject_requests', config: subjectOptions },
]

export const builtIn: Registries = { processors, exporters, extensions: [...extensions, ...ofStores] }
