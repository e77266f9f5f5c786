/**
 * A gRPC client of @grpc/grpc-js that sends raw bytes, and reads google.rpc.Status by protobufjs: both independent of
 * what is tested.
 */
import grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import type { Reply } from './harness.ts'

const bytes = (buffer: Buffer): Buffer => buffer

export const exportPath = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'

export interface Called {
  code: number
  message: string
  response: Buffer | undefined
  details: RpcStatus | undefined
}

export interface CallOptions {
  path?: string
  metadata?: Record<string, string | Buffer>
  compression?: 'gzip' | 'deflate'
  options?: grpc.CallOptions
}

export function client(
  target: string,
  credentials = grpc.credentials.createInsecure(),
  options: grpc.ClientOptions = {},
) {
  return new grpc.Client(target, credentials, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_send_message_length': -1,
    ...options,
  })
}

export function call(on: grpc.Client, body: Buffer, { path = exportPath, metadata, options }: CallOptions = {}) {
  const meta = new grpc.Metadata()
  for (const [name, value] of Object.entries(metadata ?? {})) meta.add(name, value)
  return new Promise<Called>((resolve) => {
    on.makeUnaryRequest(path, bytes, bytes, body, meta, options ?? {}, (error, response) => {
      const packed = error?.metadata?.get('grpc-status-details-bin')[0]
      resolve({
        code: error?.code ?? 0,
        message: error?.details ?? '',
        response,
        details: Buffer.isBuffer(packed) ? readStatus(packed) : undefined,
      })
    })
  })
}

/** One call on a client of its own. */
export async function callOnce(target: string, body: Buffer, options: CallOptions = {}): Promise<Called> {
  const algorithm = options.compression === 'gzip' ? 2 : options.compression === 'deflate' ? 1 : 0
  const on = client(target, undefined, { 'grpc.default_compression_algorithm': algorithm })
  try {
    return await call(on, body, options)
  } finally {
    on.close()
  }
}

const { root } = protobuf.parse(`
  syntax = "proto3";
  package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message BadRequest {
    message FieldViolation { string field = 1; string description = 2; }
    repeated FieldViolation field_violations = 1;
  }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message ExportLogsServiceResponse {
    message PartialSuccess { int64 rejected_log_records = 1; string error_message = 2; }
    PartialSuccess partial_success = 1;
  }
`)

export interface RpcStatus {
  code: number
  message: string
  badRequest?: { fieldViolations: { field: string; description: string }[] }
  retryInfo?: { retryDelay: { seconds?: string; nanos?: number } }
}

function decode(type: string, from: Uint8Array): Record<string, unknown> {
  const message = root.lookupType(`google.rpc.${type}`)
  return message.toObject(message.decode(from), { longs: String, bytes: Buffer })
}

export function readStatus(from: Uint8Array): RpcStatus {
  const {
    code = 0,
    message = '',
    details = [],
  } = decode('Status', from) as {
    code?: number
    message?: string
    details?: { type_url?: string; typeUrl?: string; value: Buffer }[]
  }
  const status: RpcStatus = { code, message }
  for (const any of details) {
    const type = any.typeUrl ?? any.type_url
    if (type === 'type.googleapis.com/google.rpc.BadRequest') {
      status.badRequest = decode('BadRequest', any.value) as unknown as NonNullable<RpcStatus['badRequest']>
    } else if (type === 'type.googleapis.com/google.rpc.RetryInfo') {
      status.retryInfo = decode('RetryInfo', any.value) as unknown as NonNullable<RpcStatus['retryInfo']>
    } else throw new Error('unknown detail')
  }
  return status
}

export const readResponse = (from: Uint8Array) => decode('ExportLogsServiceResponse', from)

/** The Status in an HTTP answer, in whichever type it has. */
export function statusOf({ headers, body }: Reply): { code: number; message: string } {
  return headers['content-type'] === 'application/json' ? JSON.parse(body.toString()) : readStatus(body)
}
