/**
 * The shape of `MODEL_PROVIDERS`: who is asked for answers, in which order, as an operator writes it. Here, because the
 * configuration checks it and may import nothing but the protocol. What is made of it: `models/`.
 */
import * as z from 'zod'
import { modelName, providerName } from './ids.ts'
import { providerLimits } from './provider-limits.ts'

/** What agents and callers may name instead of a model; each provider says which of its models that is. */
export const TIERS = ['fast', 'standard', 'smart', 'vision'] as const
export type Tier = (typeof TIERS)[number]

/** US dollars per million tokens. */
const dollars = z.number().nonnegative().max(1_000_000)
export const price = z.strictObject({ input: dollars, output: dollars })

/**
 * How a provider is asked to go on from the beginning of an answer: `prefill` ends the messages with it, as Anthropic's
 * and llama.cpp's compatible servers read it; `prefix` marks that message so (DeepSeek, Mistral); `continue` sets vLLM's
 * and SGLang's `continue_final_message`. `none`: it cannot, and answers begun elsewhere are not given to it.
 */
export const continuation = z.enum(['none', 'prefill', 'prefix', 'continue'])
export type Continuation = z.infer<typeof continuation>

export const providerConfig = z
  .strictObject({
    /** In logs, metrics, health and incidents, where `all` stands for all of them together. */
    name: providerName.refine((name) => name !== 'all', 'must not be "all", which means every provider'),
    kind: z.enum(['openai', 'workers-ai', 'offline']),
    /** Up to and including `/v1`; OpenAI's own without it. Of `openai` only. */
    baseUrl: z.url({ protocol: /^https?$/ }).optional(),
    /** Name of the secret that holds the key; local servers need none. */
    key: z
      .string()
      .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'must be the name of a variable, such as "OPENAI_API_KEY"')
      .optional(),
    /** The first one is asked when nobody names another. */
    models: z.array(modelName).min(1).max(64).optional(),
    tiers: z.partialRecord(z.enum(TIERS), modelName).optional(),
    prices: z.record(modelName, price).optional(),
    limits: providerLimits.optional(),
    continuation: continuation.optional(),
  })
  .refine((provider) => provider.kind === 'offline' || provider.models !== undefined, {
    message: 'needs at least one model',
    path: ['models'],
  })
export type ProviderConfig = z.infer<typeof providerConfig>

export const providerList = z
  .array(providerConfig)
  .min(1)
  .max(16)
  .refine(
    (list) => new Set(list.map((each) => each.name)).size === list.length,
    'has two providers of one name',
  )
