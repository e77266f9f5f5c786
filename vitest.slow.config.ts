import { defineConfig } from 'vitest/config'

/** Suites that take minutes, or fetch other languages' SDKs: `npm run test:slow` and `npm run test:interop`. */
export default defineConfig({
  test: {
    include: ['test/slow/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
})
