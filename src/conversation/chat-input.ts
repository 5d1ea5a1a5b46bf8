/**
 * What a caller asks for when it sends a message, and how what it leaves out, or names wrongly, is resolved.
 * Pure: what exists in the conversation is handed in.
 */
import { AppError } from '../errors.ts'
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

/** The only agent so far. */
const DEFAULT_AGENT = 'default'

export interface Choices {
  /** The model of a caller who names none, and those that a caller may name. */
  readonly model: string
  readonly models: readonly string[]
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
  if (!isOffered(agentId, DEFAULT_AGENT, [])) return invalid('agentId', 'names nothing that is offered here')
  if (!isOffered(model, choices.model, choices.models))
    return invalid('model', 'names nothing that is offered here')
  return { parent, agentId: agentId ?? DEFAULT_AGENT, model: model ?? choices.model, priority }
}

/** @returns undefined when it names nothing */
function parentOf(parentId: string | null | undefined, choices: Choices): number | null | undefined {
  if (parentId === undefined) return choices.tip
  if (parentId === null) return null
  const number = numberOf(parentId)
  return choices.exists(number) ? number : undefined
}

function isOffered(value: string | undefined, standard: string, others: readonly string[]): boolean {
  return value === undefined || value === standard || others.includes(value)
}

function invalid(field: string, problem: string): AppError {
  return new AppError('validation_failed', `The field "${field}" ${problem}.`, { field })
}
