import { defineConfig } from 'vitest/config'

/** The fast suite. Slow ones have their own script and config (see package.json). */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/slow/**', 'node_modules/**'],
    pool: 'forks',
    maxWorkers: 2,
    // Real servers, kills and sockets on a shared CI machine: once more there, and only there; vitest reports it.
    retry: process.env['CI'] === undefined ? 0 : 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
