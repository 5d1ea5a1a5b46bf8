/**
 * What a caller asks for when it sends a message, and how what it leaves out, or names wrongly, is resolved.
 * Pure: what exists in the conversation is handed in.
 */
import type { Agent, Agents } from '../agents/registry.ts'
import { AppError } from '../errors.ts'
import { DEFAULT_AGENT } from '../protocol/agent-config.ts'
import type { Priority } from '../protocol/ids.ts'
import { numberOf } from './events.ts'

export interface ChatInput {
  /** The client's own id of this message. */
  readonly id: string
  readonly content: string
  /** Absent: it follows the newest answer. Null: it begins a new branch. */
  readonly parentId?: string | null | undefined
  readonly agentId?: string | undefined
  readonly priority?: Priority | undefined
  readonly model?: string | undefined
  readonly requestId: string
}

export interface Choices {
  /** The model of a caller who names none, and those that a caller may name. */
  readonly model: string
  readonly models: readonly string[]
  readonly agents: Agents
  /** The newest answer, written or to be written. */
  readonly tip: number | null
  exists(number: number): boolean
}

export interface ResolvedChoices {
  readonly parent: number | null
  readonly agentId: string
  readonly model: string
  readonly priority: Priority
}

/** @returns the error `validation_failed` when a field names nothing here */
export function resolveChoices(input: ChatInput, choices: Choices): ResolvedChoices | AppError {
  const { parentId, agentId, model, priority = 'normal' } = input
  const parent = parentOf(parentId, choices)
  if (parent === undefined) return invalid('parentId', 'names no message here')
  const agent = choices.agents.find(agentId ?? DEFAULT_AGENT)
  if (!agent) return invalid('agentId', 'names nothing that is offered here')
  if (model !== undefined && model !== choices.model && !choices.models.includes(model))
    return invalid('model', 'names nothing that is offered here')
  return { parent, agentId: agent.id, model: model ?? agent.model ?? choices.model, priority }
}

/** Estimated tokens that a request of this agent has for the history. */
export function historyTokens(agent: Agent, { contextTokens }: { readonly contextTokens: number }): number {
  return Math.max(0, contextTokens - agent.instructionTokens)
}

/** @returns undefined when it names nothing */
function parentOf(parentId: string | null | undefined, choices: Choices): number | null | undefined {
  if (parentId === undefined) return choices.tip
  if (parentId === null) return null
  const number = numberOf(parentId)
  return choices.exists(number) ? number : undefined
}

function invalid(field: string, problem: string): AppError {
  return new AppError('validation_failed', `The field "${field}" ${problem}.`, { field })
}
