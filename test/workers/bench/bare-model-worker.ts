/**
 * Parley, with conversations that call the provider's adapter themselves: no chain, no breaker, no queue. For the benchmark
 * only, which measures what those cost; no part of the product knows of it.
 */
import type { AdmissionQueue } from '../../../src/admission/admission.ts'
import { ConversationObject as Product } from '../../../src/conversation/conversation-object.ts'
import { readConfig, type Env } from '../../../src/env.ts'
import product from '../../../src/index.ts'
import { ModelChain } from '../../../src/models/chain.ts'
import { OpenAIModel } from '../../../src/models/openai.ts'
import { admissionFor } from '../../../src/operating.ts'

// What is bare takes the place of what goes by the same name.
export * from '../../../src/index.ts'

let isBare = false

export class ConversationObject extends Product {
  constructor(ctx: DurableObjectState, env: Env) {
    if (!isBare) bare(env)
    isBare = true
    super(ctx, env)
  }
}

/** Replaces what conversations call; they do not know. */
function bare(env: Env): void {
  const config = readConfig(env)
  const plain = new OpenAIModel({
    model: config.OPENAI_MODEL,
    baseUrl: config.OPENAI_BASE_URL,
    firstTokenTimeoutMs: config.FIRST_TOKEN_TIMEOUT_MS,
    gapTimeoutMs: config.CHUNK_GAP_TIMEOUT_MS,
    totalTimeoutMs: config.MODEL_TOTAL_TIMEOUT_MS,
  })
  ModelChain.prototype.stream = (request, signal) => plain.stream(request, signal)
  const admission: { -readonly [name in keyof AdmissionQueue]: AdmissionQueue[name] } = admissionFor(env)
  admission.queueOf = () => null
}

export default product
