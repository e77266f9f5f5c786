/**
 * Settings and guards of HTTP/2 connections, for gRPC and for OTLP/HTTP over HTTP/2.
 *
 * nghttp2 itself ends connections that send endless CONTINUATION frames or too large header blocks, or that do not read
 * acknowledgements. Those that reset streams too fast (CVE-2023-44487) it only ends once its word about it was sent, and
 * takes thousands of streams until then. So they are counted here, too; and the rest: a bound on streams and memory per
 * connection, floods of PING and SETTINGS, silence, age.
 */
import { constants, type ServerHttp2Session, type ServerHttp2Stream, type ServerOptions } from 'node:http2'
import { limits } from '../limits.ts'

export interface GuardOptions {
  readonly idleMs: number
  readonly ageMs?: number | undefined
  readonly ageGraceMs?: number | undefined
  readonly pingMs?: number | undefined
  readonly pingTimeoutMs?: number | undefined
}

const windowBytes = 1024 * 1024
const resetsAtOnceMax = 200
const resetsPerSecondMax = 33
const controlWindowMs = 10_000

export function http2Options(streamsMax: number): ServerOptions {
  return {
    settings: {
      maxConcurrentStreams: streamsMax,
      initialWindowSize: windowBytes,
      maxHeaderListSize: limits.headerBytesMax,
      enablePush: false,
    },
    maxSessionMemory: 16,
    maxHeaderListPairs: limits.headersMax,
    maxSettings: 32,
    maxOutstandingPings: 2,
    maxSessionInvalidFrames: 32,
    maxSessionRejectedStreams: 32,
    streamResetBurst: resetsAtOnceMax,
    streamResetRate: resetsPerSecondMax,
    unknownProtocolTimeout: 1000,
  }
}

/** Watches over one connection until it closes. */
export function guard(session: ServerHttp2Session, options: GuardOptions): void {
  session.setLocalWindowSize(4 * windowBytes)
  session.on('error', () => session.destroy())
  guardControlFrames(session)
  guardResets(session)
  const timers = [guardIdle(session, options.idleMs)]
  const socket = session.socket
  // A connection that never speaks HTTP/2 is not kept.
  const hello = setTimeout(() => session.destroy(), limits.headersTimeoutMs)
  session.once('remoteSettings', () => clearTimeout(hello))
  timers.push(hello)
  if (options.ageMs !== undefined) timers.push(guardAge(session, options.ageMs, options.ageGraceMs ?? 0))
  if (options.pingMs !== undefined) timers.push(guardSilence(session, options.pingMs, options.pingTimeoutMs ?? 20_000))
  for (const timer of timers) timer.unref()
  session.once('close', () => {
    for (const timer of timers) clearTimeout(timer)
    socket.destroy()
  })
}

function guardControlFrames(session: ServerHttp2Session): void {
  let count = 0
  let sinceMs = performance.now()
  const counted = (): void => {
    const nowMs = performance.now()
    if (nowMs - sinceMs > controlWindowMs) {
      sinceMs = nowMs
      count = 0
    }
    if (++count > limits.http2ControlFramesMax) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
  session.on('ping', counted)
  session.on('remoteSettings', counted)
}

/** Ends a connection whose streams are reset, by either side, faster than the bounds. */
function guardResets(session: ServerHttp2Session): void {
  let left = resetsAtOnceMax
  let sinceMs = performance.now()
  const closed = ({ rstCode }: ServerHttp2Stream): void => {
    if (rstCode === constants.NGHTTP2_NO_ERROR || session.destroyed) return
    const nowMs = performance.now()
    left = Math.min(resetsAtOnceMax, left + ((nowMs - sinceMs) / 1000) * resetsPerSecondMax)
    sinceMs = nowMs
    if (--left < 0) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
  session.on('stream', (stream) => void stream.once('close', () => closed(stream)))
}

/** Closes a connection that has had no stream for `idleMs`. */
function guardIdle(session: ServerHttp2Session, idleMs: number): NodeJS.Timeout {
  let open = 0
  const timer = setTimeout(() => {
    if (open === 0) session.close()
    else timer.refresh()
  }, idleMs)
  session.on('stream', (stream) => {
    open++
    stream.once('close', () => {
      open--
      timer.refresh()
    })
  })
  return timer
}

function guardAge(session: ServerHttp2Session, ageMs: number, graceMs: number): NodeJS.Timeout {
  // A tenth more or less, so that clients that came together do not all come back together.
  return setTimeout(
    () => {
      session.close()
      setTimeout(() => session.destroy(), graceMs).unref()
    },
    ageMs * (0.9 + 0.2 * Math.random()),
  )
}

/** Pings a connection each `pingMs`; one that does not answer is gone. */
function guardSilence(session: ServerHttp2Session, pingMs: number, timeoutMs: number): NodeJS.Timeout {
  return setInterval(() => {
    const late = setTimeout(() => session.destroy(), timeoutMs)
    late.unref()
    const sent = !session.destroyed && session.ping(() => clearTimeout(late))
    if (!sent) clearTimeout(late)
  }, pingMs)
}
