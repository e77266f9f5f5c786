/** OTLP destinations on loopback that answer as a test tells them to, and keep what they took. */
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import * as zlib from 'node:zlib'
import * as grpc from '@grpc/grpc-js'

/** What one request brought. */
export interface Taken {
  readonly path: string
  readonly headers: Record<string, string>
  /** Decompressed. */
  readonly body: Buffer
  /** The number of the connection that it came on. */
  readonly connection: number
}

export interface HttpAnswer {
  status?: number
  headers?: Record<string, string>
  body?: Uint8Array
  /** Never answers; ends the connection before, or in the middle of, the answer. */
  fault?: 'hang' | 'reset' | 'cut'
}

export interface HttpDestination {
  readonly url: string
  readonly taken: Taken[]
  /** Answers the next requests; empty: 200. */
  readonly script: HttpAnswer[]
  connections(): number
  close(): Promise<void>
}

const inflate: Record<string, (body: Buffer) => Buffer> = {
  gzip: zlib.gunzipSync,
  deflate: zlib.inflateSync,
  zstd: zlib.zstdDecompressSync,
}

export async function httpDestination(tls?: https.ServerOptions): Promise<HttpDestination> {
  const taken: Taken[] = []
  const script: HttpAnswer[] = []
  const sockets = new Map<Socket, number>()
  let connections = 0
  const handle: http.RequestListener = async (request, response) => {
    const pieces: Buffer[] = []
    try {
      for await (const piece of request) pieces.push(piece)
    } catch {
      return
    }
    const raw = Buffer.concat(pieces)
    const body = (inflate[request.headers['content-encoding'] ?? ''] ?? ((same: Buffer) => same))(raw)
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    taken.push({
      path: `${request.method} ${request.url}`,
      headers,
      body,
      connection: sockets.get(request.socket) ?? 0,
    })
    const { status = 200, headers: extra, body: answer = new Uint8Array(), fault } = script.shift() ?? {}
    if (fault === 'hang') return
    if (fault === 'reset') {
      request.socket.resetAndDestroy()
      return
    }
    response.writeHead(status, { 'content-type': 'application/x-protobuf', ...extra })
    if (fault === 'cut') {
      response.flushHeaders()
      response.write('x', () => request.socket.destroy())
      return
    }
    response.end(answer)
  }
  const server = tls === undefined ? http.createServer(handle) : https.createServer(tls, handle)
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.set(socket, ++connections)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    taken,
    script,
    connections: () => connections,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface GrpcAnswer {
  code?: grpc.status
  metadata?: Record<string, string | Buffer>
  body?: Buffer
  fault?: 'hang'
}

export interface GrpcDestination {
  readonly endpoint: string
  readonly taken: Taken[]
  readonly script: GrpcAnswer[]
  close(): Promise<void>
}

const same = (bytes: Buffer): Buffer => bytes

export async function grpcDestination(credentials = grpc.ServerCredentials.createInsecure()): Promise<GrpcDestination> {
  const taken: Taken[] = []
  const script: GrpcAnswer[] = []
  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 })
  const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'
  const definition = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
  }
  server.addService(
    { Export: { ...definition, responseSerialize: same, responseDeserialize: same } },
    {
      Export: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
        const headers = Object.fromEntries(
          Object.entries(call.metadata.getMap()).map(([key, value]) => [key, String(value)]),
        )
        taken.push({ path: call.getPath(), headers, body: call.request, connection: 0 })
        const { code = grpc.status.OK, metadata: extra = {}, body = Buffer.alloc(0), fault } = script.shift() ?? {}
        if (fault === 'hang') return
        const metadata = new grpc.Metadata()
        for (const [key, value] of Object.entries(extra)) metadata.set(key, value)
        if (code === grpc.status.OK) callback(null, body)
        else callback({ code, details: 'in the words of the destination', metadata })
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  return {
    endpoint: `127.0.0.1:${port}`,
    taken,
    script,
    close: async () => server.forceShutdown(),
  }
}
