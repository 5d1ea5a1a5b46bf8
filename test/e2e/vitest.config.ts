/**
 * The whole-process tests: real `wrangler dev` processes, a real model server, real sockets. One file at a time, because
 * each starts processes that want both cores; time-outs are generous, because only a hang should end a test.
 */
import { defineConfig } from 'vitest/config'
import { LogReporter } from '../support/log-reporter.ts'

export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    name: 'e2e',
    include: ['test/e2e/**/*.test.ts'],
    fileParallelism: false,
    reporters: ['default', new LogReporter('e2e')],
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
})
