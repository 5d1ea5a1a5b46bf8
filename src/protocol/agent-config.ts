/**
 * The shape of `AGENTS`: named configurations that a message may ask for, as an operator writes them. Here, because the
 * configuration checks it and may import nothing but the protocol. What is made of it: `agents/`.
 */
import * as z from 'zod'
import { agentId, modelName } from './ids.ts'

/** The agent of messages that name none. It is always there; one of this name in the list changes it. */
export const DEFAULT_AGENT = 'default'

export const agentConfig = z.strictObject({
  id: agentId,
  /** Raise it when the answers should change: what was cached under another version is not used any more. */
  version: z.int().min(1).optional(),
  /** Stands before every conversation; the installation's `SYSTEM_PROMPT` without it. */
  instructions: z.string().min(1).max(100_000).optional(),
  /** A model or a tier (`fast`, `standard`, `smart`, `vision`); the installation's default without it. */
  model: modelName.optional(),
  /** The same question as the first of a conversation gets the same answer, for this long. */
  cache: z
    .strictObject({
      ttlSeconds: z
        .int()
        .min(1)
        .max(30 * 24 * 3600),
      /** Everyone shares the answers; otherwise each person has their own. Only for answers that hold nothing personal. */
      public: z.boolean().optional(),
    })
    .optional(),
})
export type AgentConfig = z.infer<typeof agentConfig>

export const agentList = z
  .array(agentConfig)
  .max(100)
  .refine((list) => new Set(list.map((each) => each.id)).size === list.length, 'has two agents of one id')
