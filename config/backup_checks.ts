/**
 * Backups keep residency: they lie where their stores lie. So do exports for people who ask.
 *
 * A backup of a store may be in the store's own region, or in another one that lies in every jurisdiction of it. Where
 * a bucket of Amazon's is named, its country is known too, and must be the region's. Where anybody else's storage
 * stands, only its operator knows.
 */

import type { Region } from '../src/policy.ts'
import { awsCountry } from './aws_regions.ts'
import type { BackupOptions, S3Options } from './backup_options.ts'
import type { ConnectorSection, ExporterSection, ExtensionSection } from './gateway_config.ts'
import { type Complaint, type ConfigPath, listed, suggestion } from './problem.ts'
import type { SubjectOptions } from './subject_options.ts'

interface Found {
  readonly connectors: ReadonlyMap<string, ConnectorSection>
  readonly exporters: ReadonlyMap<string, ExporterSection>
  readonly extensions: ReadonlyMap<string, ExtensionSection>
}

type Tell = (path: ConfigPath, complaint: Complaint) => void

export function checkBackups({ connectors, exporters, extensions }: Found, tell: Tell): void {
  const regions = new Map([...connectors.values()].flatMap(({ policy }) => [...policy.regions]))
  const stores = [...exporters.values()].filter(({ component }) => component.name === 'postgres')
  for (const { id, name, options } of extensions.values()) {
    const at: ConfigPath = ['extensions', id]
    if (name === 'subject_requests') {
      for (const [region, { s3 }] of Object.entries((options as SubjectOptions).places)) {
        const place = [...at, 'places', region]
        checkRegion(region, regions, (complaint) => tell(place, complaint))
        checkBucket(region, s3, regions, (complaint) => tell([...place, 's3', 'endpoint'], complaint))
      }
    }
    if (name !== 'backup') continue
    const { region, s3, stores: named } = options as BackupOptions
    checkRegion(region, regions, (complaint) => tell([...at, 'region'], complaint))
    checkBucket(region, s3, regions, (complaint) => tell([...at, 's3', 'endpoint'], complaint))
    const known = stores.map((store) => store.id)
    for (const [index, store] of (named ?? []).entries()) {
      const found = stores.find((each) => each.id === store)
      const path = [...at, 'stores', index]
      if (!found)
        tell(path, {
          what: `no postgres exporter ${JSON.stringify(store)} is defined`,
          allowed: listed(known),
          ...suggestion(store, known),
        })
      else checkStore(found, region, regions, (complaint) => tell(path, complaint))
    }
    if (!named && !stores.some((store) => store.region === region)) {
      tell([...at, 'region'], { what: `no postgres exporter lies in region ${region}`, fix: 'name the `stores`' })
    }
  }
}

function checkRegion(region: string, regions: ReadonlyMap<string, Region>, tell: (complaint: Complaint) => void): void {
  const known = [...regions.keys()]
  if (known.length === 0 || known.includes(region)) return
  tell({
    what: `no region ${JSON.stringify(region)} is in the policy`,
    allowed: listed(known),
    ...suggestion(region, known),
  })
}

function checkBucket(
  region: string,
  s3: S3Options | undefined,
  regions: ReadonlyMap<string, Region>,
  tell: (complaint: Complaint) => void,
): void {
  const country = s3 && awsCountry(s3.endpoint)
  const lies = regions.get(region)?.jurisdictions ?? []
  if (!country || lies.length === 0 || lies.includes(country)) return
  const what = `this storage stands in ${country}, and region ${region} is ${lies.join(', ')}`
  tell({ what, fix: 'use a bucket in the region' })
}

function checkStore(
  store: ExporterSection,
  region: string,
  regions: ReadonlyMap<string, Region>,
  tell: (complaint: Complaint) => void,
): void {
  if (store.region === undefined || store.region === region) return
  const [here, there] = [regions.get(store.region)?.jurisdictions, regions.get(region)?.jurisdictions]
  const missing = here?.filter((jurisdiction) => !there?.includes(jurisdiction)) ?? []
  if (here && there && missing.length === 0) return
  const why = missing.length > 0 ? `, which does not lie in ${missing.join(', ')}` : ''
  tell({
    what: `${store.id} lies in region ${store.region}, and its backup would leave it for ${region}${why}`,
    fix: `keep it in region ${store.region}`,
  })
}
