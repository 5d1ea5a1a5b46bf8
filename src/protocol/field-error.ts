/**
 * Turns what zod found into one error that names the field: the first issue is what a person can act on.
 * Used for bodies, queries and frames alike, so that the same mistake reads the same everywhere.
 */
import type * as z from 'zod'
import { AppError } from '../errors.ts'

type Issue = z.core.$ZodIssue

/** @returns `validation_failed` with the dotted path of the first field at fault */
export function fieldError(error: { readonly issues: readonly Issue[] }): AppError {
  const issue = error.issues[0]
  if (!issue) return new AppError('validation_failed', 'The input is invalid.')
  if (issue.code === 'unrecognized_keys') {
    const field = [...issue.path, issue.keys[0] ?? ''].join('.')
    return new AppError('validation_failed', `The field "${field.slice(0, 64)}" is not known here.`, {
      field: field.slice(0, 64),
    })
  }
  const field = issue.path.join('.')
  // zod keeps the input out of its issues, so only the message tells a missing field from one of another type.
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined')
  const what = missing ? 'is required' : lowerFirst(issue.message)
  return new AppError(
    'validation_failed',
    field ? `The field "${field}" ${verb(what)}.` : `The input ${verb(what)}.`,
    {
      field: field || undefined,
    },
  )
}

/** Our own messages are predicates ("is empty"); zod's are nouns ("Invalid input: …"), which need a verb. */
function verb(message: string): string {
  return /^(is|has|holds|may|must) /.test(message) ? message : `is invalid (${message})`
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
