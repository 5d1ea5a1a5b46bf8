/**
 * The agents of this installation, by id: what a message may name, and what a turn is then made with. Built once from the
 * configuration. Choosing an agent for a message that names none, and handing over between them, is not done here.
 */
import { estimateTokenCount } from 'tokenx'
import { DEFAULT_AGENT, type AgentConfig } from '../protocol/agent-config.ts'

export interface Agent {
  readonly id: string
  readonly version: number
  readonly instructions: string
  /** Estimated, of the instructions. */
  readonly instructionTokens: number
  /** A model or a tier; null: the installation's default. */
  readonly model: string | null
  readonly cache: { readonly ttlMs: number; readonly isPublic: boolean } | null
}

export class Agents {
  readonly #byId: ReadonlyMap<string, Agent>
  readonly #standard: Agent

  /** @param instructions of agents that bring none */
  constructor(list: readonly AgentConfig[], instructions: string) {
    this.#standard = toAgent({ id: DEFAULT_AGENT }, instructions)
    this.#byId = new Map([
      [DEFAULT_AGENT, this.#standard],
      ...list.map((config) => [config.id, toAgent(config, instructions)] as const),
    ])
  }

  /** @returns undefined for an agent that is not offered here */
  find(id: string): Agent | undefined {
    return this.#byId.get(id)
  }

  /** For a turn that was accepted already: one whose agent is offered no more is answered by the default. */
  get(id: string): Agent {
    return this.#byId.get(id) ?? this.#byId.get(DEFAULT_AGENT) ?? this.#standard
  }
}

function toAgent(config: AgentConfig, standard: string): Agent {
  const { id, version = 1, instructions = standard, model = null, cache } = config
  return {
    id,
    version,
    instructions,
    instructionTokens: estimateTokenCount(instructions),
    model,
    cache: cache ? { ttlMs: cache.ttlSeconds * 1000, isPublic: cache.public ?? false } : null,
  }
}
