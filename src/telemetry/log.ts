/**
 * The gateway's own log: events with fields, one line each on stderr, and by OTLP where that is configured.
 *
 *     {"time":"2026-01-31T12:00:00.000Z","level":"warn","event":"queue_full","exporter":"otlp_http/a","bytes":1073741824}
 *     12:00:00.000 WARN  queue_full exporter=otlp_http/a bytes=1073741824
 *
 * Never payload: fields are scalars that the gateway itself made. Texts are cut, and on a terminal control characters
 * are shown escaped, so that no name can move the cursor.
 *
 * An event that comes too often is cut off for a while and counted (`suppressed` on its next line): a flood of bad
 * requests must not become a flood of lines. That bound also keeps the own log from feeding itself: should its records
 * come back to this gateway, what they cause is no more than a few lines a window.
 */
import pc from 'picocolors'
import type { Log } from '../contract.ts'
import { limits } from '../limits.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, string | number | boolean>>
export interface LogEvent {
  readonly timeMs: number
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}
/** Takes events; never throws. */
export type LogSink = (event: LogEvent) => void

export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

export interface LogOptions {
  readonly level: LogLevel
  readonly sinks: readonly LogSink[]
  readonly nowMs: () => number
}

export function createLog({ level, sinks, nowMs }: LogOptions): Log {
  const least = logLevels.indexOf(level)
  const floods = new FloodGate()
  const write = (at: LogLevel, event: string, fields: LogFields = {}): void => {
    if (logLevels.indexOf(at) < least) return
    const timeMs = nowMs()
    const suppressed = floods.pass(event, timeMs)
    if (suppressed === undefined) return
    const all = { ...cut(fields), ...(suppressed > 0 && { suppressed }) }
    for (const sink of sinks) sink({ timeMs, level: at, event, fields: all })
  }
  return {
    debug: (event, fields) => write('debug', event, fields),
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
  }
}

/** The same log with some fields on every line. */
export function logWith(log: Log, always: LogFields): Log {
  return {
    debug: (event, fields) => log.debug(event, { ...always, ...fields }),
    info: (event, fields) => log.info(event, { ...always, ...fields }),
    warn: (event, fields) => log.warn(event, { ...always, ...fields }),
    error: (event, fields) => log.error(event, { ...always, ...fields }),
  }
}

/** Lets each event through a number of times a window. */
class FloodGate {
  readonly #events = new Map<string, { windowStartMs: number; lines: number; suppressed: number }>()

  /** How many were held back since the last line, or undefined: hold this one back too. */
  pass(event: string, nowMs: number): number | undefined {
    const seen = this.#events.get(event)
    if (!seen) {
      if (this.#events.size >= limits.logEventsMax) this.#events.clear()
      this.#events.set(event, { windowStartMs: nowMs, lines: 1, suppressed: 0 })
      return 0
    }
    if (nowMs - seen.windowStartMs >= limits.logEventWindowMs || nowMs < seen.windowStartMs) {
      const { suppressed } = seen
      Object.assign(seen, { windowStartMs: nowMs, lines: 1, suppressed: 0 })
      return suppressed
    }
    if (seen.lines < limits.logLinesPerEventMax) {
      seen.lines++
      return 0
    }
    seen.suppressed++
    return undefined
  }
}

function cut(fields: LogFields): LogFields {
  const entries = Object.entries(fields).map(([name, value]) => {
    return [name, typeof value === 'string' ? value.slice(0, limits.logFieldLengthMax) : value]
  })
  return Object.fromEntries(entries)
}

export interface LineStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** One line an event: JSON, or readable and coloured. `auto` is readable on a terminal. */
export function lineSink(stream: LineStream, format: 'auto' | 'json' | 'text'): LogSink {
  const isText = format === 'text' || (format === 'auto' && stream.isTTY === true)
  const line = isText ? textLine(stream.isTTY === true) : jsonLine
  return (event) => {
    stream.write(line(event))
  }
}

/** Own names (`time`, `level`, `event`) win over fields of the same name. */
const jsonLine = ({ timeMs, level, event, fields }: LogEvent): string =>
  `${JSON.stringify({ time: new Date(timeMs).toISOString(), level, event, ...without(fields) })}\n`

const without = ({ time: _time, level: _level, event: _event, ...fields }: LogFields): LogFields => fields

function textLine(isColoured: boolean): (event: LogEvent) => string {
  const { dim, bold, red, yellow, cyan, gray } = pc.createColors(isColoured)
  const colours = { debug: gray, info: cyan, warn: yellow, error: red }
  return ({ timeMs, level, event, fields }) => {
    const time = new Date(timeMs).toISOString().slice(11, 23)
    const told = Object.entries(fields).map(([name, value]) => ` ${dim(`${visible(name)}=`)}${shown(value)}`)
    return `${dim(time)} ${colours[level](level.toUpperCase().padEnd(5))} ${bold(visible(event))}${told.join('')}\n`
  }
}

const visible = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, escaped)
const escaped = (character: string): string => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`

function shown(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value)
  return /^[^\s"=]+$/.test(value) ? visible(value) : visible(JSON.stringify(value))
}
