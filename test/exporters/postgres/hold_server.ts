/**
 * A process that uses the embedded server of the folder given as its argument, until it is told to stop (a line on
 * stdin) or killed. It says `opening`, then `ready`, and `closed` at the end.
 */
import { once } from 'node:events'
import { openEmbedded } from '../../../exporters/postgres/embedded.ts'

console.log('opening')
const embedded = await openEmbedded(process.argv[2]!)
console.log('ready')
await once(process.stdin, 'data')
await embedded.close()
console.log('closed')
process.exit(0)
