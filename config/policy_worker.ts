/**
 * The other side of policy_thread.ts: reads one policy and hands it over in pieces, each when it is asked for, so that
 * taking one in never keeps the other thread for long.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { limits } from '../src/limits.ts'
import type { Handover } from './policy_thread.ts'
import { loadPolicy } from './residency.ts'

const { file, name, text } = workerData as { file: string; name: string; text: string | undefined }
const port = parentPort!

function* pieces(): Generator<Handover> {
  const { policy, problems } = loadPolicy(file, name, text === undefined ? undefined : () => text)
  if (policy === undefined) {
    yield { is: 'refused', problems }
    return
  }
  const { tenants, ...rest } = policy
  // Tenants whose rules read alike share one: so they do over there.
  const rules = [...new Set(tenants.values())]
  const numbers = new Map(rules.map((rule, number) => [rule, number]))
  for (let at = 0; at < rules.length; at += limits.policyPieceRules)
    yield { is: 'rules', rules: rules.slice(at, at + limits.policyPieceRules) }
  const ruleOf = Uint32Array.from(tenants.values(), (rule) => numbers.get(rule)!)
  yield { is: 'policy', rest, names: [...tenants.keys()], ruleOf }
}

const all = pieces()
port.on('message', () => {
  const { value, done } = all.next()
  if (done) port.close()
  else port.postMessage(value)
})
