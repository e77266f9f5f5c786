import { defineConfig } from 'vitest/config'

/** These change what a process has one of: the file system's functions, the time zone. */
const alone = ['test/keys/faults.test.ts', 'test/exporters/postgres/years.test.ts']

const shared = {
  pool: 'forks',
  // Real servers, kills and sockets on a shared CI machine: once more there, and only there; vitest reports it.
  retry: process.env['CI'] === undefined ? 0 : 1,
  testTimeout: 120_000,
  hookTimeout: 120_000,
} as const

/** The fast suite. Slow ones have their own script and config (see package.json). */
export default defineConfig({
  test: {
    // Many tests wait for servers and timers.
    maxWorkers: 3,
    projects: [
      {
        test: {
          ...shared,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ['test/slow/**', 'node_modules/**', ...alone],
          // Loading all modules anew for each file took a quarter of the time.
          isolate: false,
        },
      },
      { test: { ...shared, name: 'alone', include: alone } },
    ],
  },
})
