/**
 * The OTLP/gRPC server: `LogsService/Export`, unary, over node:http2. What one call means is in call.ts.
 *
 * The gRPC wire is small (five bytes before a message, trailers after it). It is spoken here directly and not through
 * @grpc/grpc-js, because a server of that library collects whole messages before anybody can look at credentials or
 * memory, has no hook for unknown services, and hides the settings that hold off floods. See docs/decisions.
 */
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { limits } from '../limits.ts'
import type { Gate } from './authenticate/gate.ts'
import { Call, type GrpcDoor } from './call.ts'
import type { GrpcConfig } from './config.ts'
import type { Running } from './http.ts'
import { guard, http2Options } from './http2_guard.ts'
import type { Intake } from './intake.ts'
import { boundConnections, listen } from './listen.ts'
import { loadTls } from './tls.ts'
import { Uploads } from './uploads.ts'

export async function startGrpc(
  config: GrpcConfig,
  intake: Intake,
  gate: Gate,
  reloaded: (error: string | undefined) => void,
): Promise<Running> {
  const tls = config.tls && (await loadTls(config.tls, reloaded))
  const uploads = new Uploads()
  const messageBytesMax = Math.floor(config.max_recv_msg_size_mib * 1024 * 1024)
  const door: GrpcDoor = { intake, gate, uploads, messageBytesMax, stopping: false }
  const options = http2Options(config.max_concurrent_streams)
  const server =
    tls === undefined
      ? http2.createServer(options)
      : http2.createSecureServer({ ...options, ...tls.context, handshakeTimeout: limits.headersTimeoutMs })
  tls?.keepFresh((context) => (server as http2.Http2SecureServer).setSecureContext(context))
  const sessions = watchConnections(server, config)
  server.on('stream', (stream, headers) => new Call(door, stream, headers).start())
  try {
    const endpoint = await listen(server, config.endpoint)
    server.on('error', () => {})
    const stop = async (): Promise<void> => {
      door.stopping = true
      tls?.close()
      await closeGently(server, sessions)
      uploads.close()
    }
    return { endpoint, reload: async () => tls?.look(), stop }
  } catch (error) {
    tls?.close()
    uploads.close()
    throw error
  }
}

interface Connections {
  readonly sessions: Set<http2.ServerHttp2Session>
  readonly sockets: Set<Socket>
}

function watchConnections(server: http2.Http2Server | http2.Http2SecureServer, config: GrpcConfig): Connections {
  const parameters = config.keepalive.server_parameters
  const connections: Connections = { sessions: new Set(), sockets: new Set() }
  boundConnections(server, limits.connectionsMax)
  server.on('connection', (socket: Socket) => {
    connections.sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => connections.sockets.delete(socket))
  })
  server.on('session', (session) => {
    connections.sessions.add(session)
    session.once('close', () => connections.sessions.delete(session))
    guard(session, {
      idleMs: parameters.max_connection_idle,
      ageMs: parameters.max_connection_age,
      ageGraceMs: parameters.max_connection_age_grace,
      pingMs: parameters.time,
      pingTimeoutMs: parameters.timeout,
    })
  })
  server.on('sessionError', () => {})
  return connections
}

/** No new connections and calls; those in progress may finish, at most `limits.receiveStopMs`. */
async function closeGently(
  server: http2.Http2Server | http2.Http2SecureServer,
  { sessions, sockets }: Connections,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  for (const session of sessions) session.close()
  const timer = setTimeout(() => {
    for (const session of sessions) session.destroy()
    for (const socket of sockets) socket.destroy()
  }, limits.receiveStopMs)
  await closed
  clearTimeout(timer)
}
