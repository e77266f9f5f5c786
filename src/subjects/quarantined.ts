/**
 * Erased people in quarantine: records there are kept as they came, so they are looked through, and those in which any
 * attribute is an erased person's id are left out.
 */
import { jsonToWire, wireToJson } from '../otlp/json.ts'
import type { Released, Rest } from '../pipeline/quarantine.ts'

/** Whether this value is the id of somebody of this tenant who was erased. */
export type IsErased = (tenant: string, value: string) => boolean

interface JsonAttribute {
  readonly value?: { readonly stringValue?: string; readonly intValue?: string | number }
}
interface JsonPart {
  readonly attributes?: readonly JsonAttribute[]
}
interface JsonRequest {
  readonly resourceLogs?: readonly {
    readonly resource?: JsonPart
    readonly scopeLogs?: readonly { readonly logRecords?: readonly JsonPart[] }[]
  }[]
}

/** What is left of a parcel; undefined: all of it. */
export function withoutErased(parcel: Released, isErased: IsErased): Rest | undefined {
  const gone = new Map<string, number>()
  const names = parcel.tenants.map(([tenant]) => tenant)
  const tenantIn = ({ attributes = [] }: JsonPart): string | undefined =>
    names.find((tenant) =>
      attributes.some(({ value: { stringValue, intValue } = {} }) => {
        const id = stringValue ?? intValue
        return id !== undefined && isErased(tenant, String(id))
      }),
    )
  const request = JSON.parse(wireToJson(parcel.body)) as JsonRequest
  const resourceLogs = request.resourceLogs?.map((resourceLog) => {
    const ofResource = tenantIn(resourceLog.resource ?? {})
    const scopeLogs = resourceLog.scopeLogs?.map((scopeLog) => {
      const logRecords = scopeLog.logRecords?.filter((record) => {
        const tenant = ofResource ?? tenantIn(record)
        if (tenant !== undefined) gone.set(tenant, (gone.get(tenant) ?? 0) + 1)
        return tenant === undefined
      })
      return { ...scopeLog, logRecords }
    })
    return { ...resourceLog, scopeLogs }
  })
  if (gone.size === 0) return undefined
  const tenants = parcel.tenants
    .map(([tenant, records]) => [tenant, records - (gone.get(tenant) ?? 0)] as [string, number])
    .filter(([, records]) => records > 0)
  const records = parcel.records - [...gone.values()].reduce((sum, n) => sum + n, 0)
  return { body: jsonToWire(Buffer.from(JSON.stringify({ ...request, resourceLogs }))), records, tenants }
}
