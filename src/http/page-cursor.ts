/**
 * The end of a page as clients carry it, for lists by time: opaque to them, checked when it comes back. What an id looks
 * like is the list's to say.
 */
import * as z from 'zod'
import { AppError } from '../errors.ts'

export interface PageEnd<Id> {
  /** Ms since the epoch. */
  readonly at: number
  readonly id: Id
}

export function encodeCursor({ at, id }: PageEnd<string | number>): string {
  return `${at.toString(36)}~${id}`
}

/**
 * @returns null for the first page
 * @throws AppError `validation_failed`
 */
export function decodeCursor<Id>(text: string | undefined, id: z.ZodType<Id>): PageEnd<Id> | null {
  if (text === undefined) return null
  const [time = '', ...rest] = text.split('~')
  const at = /^[0-9a-z]{1,11}$/.test(time) ? Number.parseInt(time, 36) : Number.NaN
  const parsed = z.object({ at: z.int(), id }).safeParse({ at, id: rest.join('~') })
  if (parsed.success) return parsed.data
  throw new AppError('validation_failed', 'The field "cursor" is not one that this list gave.', {
    field: 'cursor',
  })
}
