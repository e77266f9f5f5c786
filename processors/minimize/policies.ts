/** The policies of one processor: one for each combination of tenant and purposes that occurs. Few do. */
import type { Host } from '../../src/contract.ts'
import type { Config } from './config.ts'
import { CustomDetectors } from './custom.ts'
import { MetadataPolicy } from './metadata.ts'
import { checkNames, type Layer, Policy } from './policy.ts'
import { readTreatment, type Treatment } from './treatment.ts'

export class Policies {
  readonly custom: CustomDetectors
  readonly #config: Config
  readonly #purposes: Host['purposes']
  readonly #own: Readonly<Record<string, Treatment>>
  readonly #known = new Map<string, Policy>()
  readonly #hasPurposes: boolean

  /** Throws `ConfigError` for what the schema cannot see. */
  constructor(config: Config, purposes: Host['purposes']) {
    this.#config = config
    this.#purposes = purposes
    this.custom = new CustomDetectors(config.custom_detectors)
    this.#own = Object.fromEntries(config.custom_detectors.map(({ name, action }) => [name, readTreatment(action)]))
    this.#hasPurposes = Object.keys(config.purposes).length > 0
    const { detectors } = this.custom
    checkNames(config, [], detectors)
    for (const [name, rules] of Object.entries(config.tenants)) checkNames(rules, ['tenants', name], detectors)
    for (const [name, rules] of Object.entries(config.purposes)) checkNames(rules, ['purposes', name], detectors)
  }

  /** Of a tenant's records with these purposes, as a mask. */
  of(tenant: string, mask: number): Policy {
    const names = this.#hasPurposes && mask !== 0 ? this.#purposes.names(mask) : []
    const own = Object.hasOwn(this.#config.tenants, tenant)
    const name = `${own ? tenant : ''}\n${names.join('\n')}`
    let policy = this.#known.get(name)
    if (!policy) {
      policy = this.#make(own ? tenant : undefined, names)
      this.#known.set(name, policy)
    }
    return policy
  }

  #make(tenant: string | undefined, names: readonly string[]): Policy {
    const { tenants, purposes, metadata } = this.#config
    const layers: Layer[] = [{ origin: '', rules: this.#config }]
    if (tenant !== undefined) layers.push({ origin: `tenants.${tenant}.`, rules: tenants[tenant]! })
    const ruled = names.map((name) => ({ name, rules: Object.hasOwn(purposes, name) ? purposes[name] : undefined }))
    for (const { name, rules } of ruled) if (rules) layers.push({ origin: `purposes.${name}.`, rules })
    const perPurpose = ruled.map(({ name, rules }) => ({
      mask: this.#purposes.bit(name),
      rule: rules?.metadata ?? metadata,
    }))
    const rules = perPurpose.length > 0 ? perPurpose : [{ mask: 0, rule: metadata }]
    return new Policy(layers, this.custom.detectors, this.#own, MetadataPolicy.of(rules))
  }
}
