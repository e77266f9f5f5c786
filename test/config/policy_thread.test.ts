import { describe, expect, test } from 'vitest'
import { loadConfig, loadConfigApart } from '../../config/load.ts'
import { loadPolicyApart } from '../../config/policy_thread.ts'
import { formatProblem } from '../../config/problem.ts'
import { loadPolicy } from '../../config/residency.ts'
import { registries, written } from './registries.ts'

const head = `regions:
  eu: { jurisdiction: [EU], pipeline: logs/eu, central: true }
purposes:
  usage: { retention: 1mo }
tenants:
`
const many = Array.from({ length: 3000 }, (_, i) => `  tenant-${i}: { residency: central }\n`).join('')
const config = `
receivers: { otlp: { protocols: { http: } } }
connectors: { residency: { policy: policy.yaml } }
exporters: { debug: }
service:
  pipelines:
    logs/in: { receivers: [otlp], exporters: [residency] }
    logs/eu: { receivers: [residency], exporters: [debug] }
`

describe('a policy that is read in another thread', () => {
  test('is the same as one that is read here', async () => {
    const paths = written({ 'policy.yaml': head + many })
    const apart = await loadPolicyApart(paths['policy.yaml']!)
    expect(apart.policy?.tenants.size).toBe(3000)
    expect(apart).toEqual(loadPolicy(paths['policy.yaml']!))
  })
  test('tells its problems under the name that it is known by', async () => {
    const paths = written({ 'policy.yaml': `${head}${many}  last: { residency: centrall }\n` })
    const { policy, problems } = await loadPolicyApart(paths['policy.yaml']!, 'config/policy.yaml')
    expect(policy).toBeUndefined()
    expect(problems.map(formatProblem)).toEqual([
      expect.stringMatching(/^config\/policy\.yaml:3006:22 tenants\.last\.residency: "centrall" is not allowed/),
    ])
  })
  test('small, or not there: the same answers', async () => {
    const paths = written({ 'policy.yaml': head })
    expect((await loadPolicyApart(paths['policy.yaml']!)).policy?.central).toBe('eu')
    expect((await loadPolicyApart('/nowhere.yaml')).problems[0]?.what).toMatch(/cannot be read/)
  })
  test('as part of a configuration', async () => {
    const paths = written({ 'gw.yaml': config, 'policy.yaml': head + many })
    const options = { env: {}, registries }
    const apart = await loadConfigApart([paths['gw.yaml']!], options)
    const here = loadConfig([paths['gw.yaml']!], options)
    expect(apart.problems).toEqual([])
    expect(apart.config?.connectors.get('residency')?.policy).toEqual(here.config?.connectors.get('residency')?.policy)
  })
})
