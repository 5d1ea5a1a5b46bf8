/**
 * The tests that need no system package: `unit` in plain Node, `workers` in the real runtime with real Durable Objects
 * and D1. The model is an HTTP server of ours in this process (global-setup.ts), reached by the real SDK.
 */
import { cloudflareTest } from '@cloudflare/vitest-pool-workers'
import { defineConfig } from 'vitest/config'
import { LogReporter } from './support/log-reporter.ts'

const FAST = { capacity: 10_000, perSecond: 10_000 }

/** Besides those of guests, for tests of limits, which give them to people of theirs. */
const PLANS = {
  // Tests ask faster than a person does.
  guest: { buckets: { read: FAST, write: FAST, auth: FAST, manage: FAST } },
  hundred: {
    messagesPerDay: 100,
    concurrentTurns: 300,
    buckets: { read: FAST, write: FAST, auth: FAST, manage: FAST },
  },
  one: { messagesPerDay: 1 },
  single: { concurrentTurns: 1 },
  nothing: { messagesPerDay: 0 },
  // Each has room for what one turn is expected to use, and not for that and what one has used.
  tokens: { tokensPerDay: 650 },
  monthly: { tokensPerMonth: 650 },
  money: { usdPerMonth: 0.001_02 },
  slow: { buckets: { read: { capacity: 3, perSecond: 0.01 }, manage: { capacity: 2, perSecond: 0.01 } } },
}

/** Dollars per million tokens; the other model has no price. Tests know them as `costUsdOf` of limited-people.ts. */
const MODEL_PRICES = { 'test-model': { input: 0.1, output: 2 } }

/** As long as only a hang takes: machines are shared, some tests start tools, and time is no assertion. */
const PATIENCE = { testTimeout: 60_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    // The log of a request is worth reading when its test failed, and noise when it passed.
    silent: 'passed-only',
    reporters: ['default', new LogReporter('workers')],
    projects: [
      {
        root: new URL('..', import.meta.url).pathname,
        test: { ...PATIENCE, name: 'unit', include: ['test/unit/**/*.test.ts'] },
      },
      {
        root: new URL('..', import.meta.url).pathname,
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                OPENAI_BASE_URL: `${inject<string>('modelUrl')}/v1`,
                AUTH_JWKS_URL: `${inject<string>('identityUrl')}/jwks`,
                AUTH_ISSUER: inject<string>('identityUrl'),
                AUTH_AUDIENCE: 'parley-test',
                AUTH_ROLE_MAP: 'chat-admins=admin,support=moderator',
                OPENAI_MODEL: 'test-model',
                OPENAI_MODELS: 'other-model',
                FIRST_TOKEN_TIMEOUT_MS: '2000',
                CHUNK_GAP_TIMEOUT_MS: '2000',
                // A fault that a test asks for is the turn's, at once; repeats have tests of their own.
                MODEL_RETRIES: '0',
                // Longer than the tests take: alarms come when a test calls them.
                TURN_WATCHDOG_MS: '120000',
                PLANS: JSON.stringify(PLANS),
                MODEL_PRICES: JSON.stringify(MODEL_PRICES),
                // Tests fill conversations over one socket; its limit is still one that a test can reach.
                FRAME_RATES: JSON.stringify({ chat: { capacity: 300, perSecond: 100 } }),
              },
              ratelimits: { FLOOD_TEST: { namespace_id: '1002', simple: { limit: 3, period: 60 } } },
            },
          })),
        ],
        test: {
          ...PATIENCE,
          name: 'workers',
          include: ['test/workers/**/*.test.ts'],
          globalSetup: ['./test/workers/global-setup.ts'],
          setupFiles: ['./test/workers/log-keeping.ts'],
        },
      },
    ],
  },
})
