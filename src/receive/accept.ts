/**
 * What crosses the line between receive and the gateway: one body in, one answer out.
 *
 * Receive owns sockets, framing, inflating, authentication and limits; it knows nothing of records. The gateway owns
 * what the bytes mean. A body is valid `ExportLogsServiceRequest` bytes or it is not: only the gateway can tell, and
 * it says so with `bad`.
 */

/** Who sent a request, as far as the connection and the credential tell. */
export interface Sender {
  transport: 'http' | 'grpc'
  /** The peer's address, without the port. */
  address: string
  /** The tenants that the credential may speak for. Absent: no authenticator, or one that names no tenants. */
  tenants?: readonly string[]
  /** The credential's name (a key's name, a token's subject, a certificate's subject); never the secret. */
  principal?: string
}

export interface Received {
  /**
   * The protobuf bytes of an `ExportLogsServiceRequest`, inflated; JSON is turned into wire bytes before.
   * Pooled: valid until the promise of `accept` settles, and not a moment longer.
   */
  body: Buffer
  sender: Sender
  headers: { date?: string; userAgent?: string }
  receivedUnixNano: bigint
  receivedMonotonicNano: bigint
  /** Does more of the work on a large request when it is its sender's turn again. */
  inTurn?: <T>(bytes: number, work: () => Promise<T>) => Promise<T>
}

/** What the client is told. Messages are for a developer and never hold payload. */
export type Answer =
  | { is: 'ok' }
  /** Accepted but for `rejected` records, which must not be sent again. 0 rejected: a warning. */
  | { is: 'partial'; rejected: number; message: string }
  /** 400 INVALID_ARGUMENT with BadRequest details: sending it again cannot help. */
  | { is: 'bad'; message: string }
  /** 403 PERMISSION_DENIED. */
  | { is: 'denied'; message: string }
  /** 429, or RESOURCE_EXHAUSTED with RetryInfo. */
  | { is: 'throttled'; retryAfterMs: number; message: string }
  /** 503, or UNAVAILABLE with RetryInfo. */
  | { is: 'unavailable'; retryAfterMs: number; message: string }
  /** 500 INTERNAL: a defect of ours. */
  | { is: 'failed'; message: string }

/** Takes one request. A rejection of the promise is answered like `failed`. */
export type Accept = (request: Received) => Promise<Answer>
