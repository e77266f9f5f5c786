/** The wire core with all of its 10,000 random requests; the fast suite runs 3 of 10. */
process.env['CORE_SCALE'] = '1'
await import('../otlp/core.test.ts')
await import('../otlp/scan.test.ts')
