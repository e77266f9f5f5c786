/** From bytes to a scanned request: the quick way for regular bytes, the thorough way for all others. */
import { DouaneError } from '../errors.ts'
import { type Canonical, canonical } from './canonical.ts'
import type { LogsRequest } from './request.ts'
import { scan } from './scan.ts'

/** What was left out on the way. `reason` says why the first bad record is bad; never payload. */
export interface Reading {
  readonly unknownFields: number
  readonly badRecords: number
  readonly reason: string | undefined
}

const REGULAR: Reading = { unknownFields: 0, badRecords: 0, reason: undefined }

/** Fills `request` from `body`. Throws `WireError` where the framing is lost. */
export function readRequest(request: LogsRequest, body: Buffer): Reading {
  return readRegular(request, body) ?? readCanonical(request, canonical(body))
}

/** The quick way alone. Undefined: the body has to be made regular first. */
export function readRegular(request: LogsRequest, body: Buffer): Reading | undefined {
  return scan(request, body) ? REGULAR : undefined
}

/** Fills `request` from what was made regular. */
export function readCanonical(request: LogsRequest, regular: Canonical): Reading {
  if (!scan(request, regular.body))
    throw new DouaneError('defect', `canonical bytes are not regular (${regular.body.length} bytes)`)
  return regular
}
