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

/** @throws AppError `validation_failed` naming the field that names nothing here */
export function resolveChoices(
  input: ChatInput,
  choices: Choices,
): { parent: number | null; agentId: string; model: string; priority: Priority } {
  return {
    parent: parentOf(input.parentId, choices),
    agentId: named('agentId', input.agentId, DEFAULT_AGENT, [DEFAULT_AGENT]),
    model: named('model', input.model, choices.model, choices.models),
    priority: input.priority ?? 'normal',
  }
}

function parentOf(parentId: string | null | undefined, choices: Choices): number | null {
  if (parentId === undefined) return choices.tip
  if (parentId === null) return null
  const number = numberOf(parentId)
  if (choices.exists(number)) return number
  throw new AppError('validation_failed', 'The field "parentId" names no message here.', {
    field: 'parentId',
  })
}

function named(
  field: 'agentId' | 'model',
  value: string | undefined,
  standard: string,
  known: readonly string[],
): string {
  if (value === undefined || value === standard) return standard
  if (known.includes(value)) return value
  throw new AppError('validation_failed', `The field "${field}" names nothing that is offered here.`, {
    field,
  })
}
