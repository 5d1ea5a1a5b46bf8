/**
 * What models cost, in US dollars per million tokens, as the providers publish it (November 2026; look at their price
 * lists, and set `MODEL_PRICES` where yours differ). A name is matched by its longest prefix here, so that a dated version
 * costs what its model costs. A model that is not here costs nothing and is marked as not priced: a quota in money does
 * not hold it back, a quota in tokens does.
 */
import type { Usage } from '../protocol/message.ts'

export interface Price {
  readonly input: number
  readonly output: number
}
export type Prices = Readonly<Record<string, Price>>

export const DEFAULT_PRICES: Prices = {
  'gpt-4o': { input: 2.5, output: 10 },
  'gpt-4o-mini': { input: 0.15, output: 0.6 },
  'gpt-4.1': { input: 2, output: 8 },
  'gpt-4.1-mini': { input: 0.4, output: 1.6 },
  'gpt-4.1-nano': { input: 0.1, output: 0.4 },
  'gpt-5': { input: 1.25, output: 10 },
  'gpt-5-mini': { input: 0.25, output: 2 },
  'gpt-5-nano': { input: 0.05, output: 0.4 },
  o3: { input: 2, output: 8 },
  'o4-mini': { input: 1.1, output: 4.4 },
  '@cf/meta/llama-3.3-70b': { input: 0.293, output: 2.253 },
  '@cf/meta/llama-3.1-8b': { input: 0.282, output: 0.827 },
  // Ours: it calls nobody.
  offline: { input: 0, output: 0 },
}

/** Whole micro-dollars, rounded up: dollars per million tokens are micro-dollars per token. */
export function costOf(
  prices: Prices,
  model: string,
  { inputTokens, outputTokens }: Usage,
): { readonly micros: number; readonly priced: boolean } {
  const price = priceOf(prices, model)
  if (!price) return { micros: 0, priced: false }
  return { micros: Math.ceil(inputTokens * price.input + outputTokens * price.output), priced: true }
}

function priceOf(prices: Prices, model: string): Price | null {
  let found: string | null = null
  for (const name of Object.keys(prices)) {
    if (isVersionOf(model, name) && name.length > (found?.length ?? -1)) found = name
  }
  return found === null ? null : (prices[found] ?? null)
}

/** `gpt-4o-2024-08-06` is one of `gpt-4o`; `gpt-4omni` is not. */
function isVersionOf(model: string, name: string): boolean {
  return model.startsWith(name) && !/^[a-z0-9]/i.test(model.slice(name.length))
}
