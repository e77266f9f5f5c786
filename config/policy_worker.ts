/** The other side of policy_thread.ts: reads one policy, answers, ends. */
import { parentPort, workerData } from 'node:worker_threads'
import { loadPolicy } from './residency.ts'

const { file, name, text } = workerData as { file: string; name: string; text: string | undefined }
parentPort!.postMessage(loadPolicy(file, name, text === undefined ? undefined : () => text))
