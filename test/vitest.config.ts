/**
 * The tests that need no system package: `unit` in plain Node, `workers` in the real runtime with real Durable Objects
 * and D1. The model is an HTTP server of ours in this process (global-setup.ts), reached by the real SDK.
 */
import { cloudflareTest } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // The log of a request is worth reading when its test failed, and noise when it passed.
    silent: 'passed-only',
    projects: [
      {
        root: new URL('..', import.meta.url).pathname,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'] },
      },
      {
        root: new URL('..', import.meta.url).pathname,
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                OPENAI_BASE_URL: `${inject<string>('modelUrl')}/v1`,
                OPENAI_MODEL: 'test-model',
                OPENAI_MODELS: 'other-model',
                FIRST_TOKEN_TIMEOUT_MS: '2000',
                CHUNK_GAP_TIMEOUT_MS: '2000',
                // Longer than the tests take: alarms come when a test calls them.
                TURN_WATCHDOG_MS: '120000',
              },
            },
          })),
        ],
        test: {
          name: 'workers',
          include: ['test/workers/**/*.test.ts'],
          globalSetup: ['./test/workers/global-setup.ts'],
        },
      },
    ],
  },
})
