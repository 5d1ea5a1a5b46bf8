/**
 * What invites and shares have in common: D1 learns of a link before its row is written, so that a token that was given
 * out always leads here; and one answer for every link that does not serve.
 */
import { AppError } from '../errors.ts'
import type { Directory, LinkEntry } from './deps.ts'

/** @param write writes the row; what it throws leaves a link in D1 that leads to nothing, and goes with the conversation */
export async function withLink<T>(directory: Directory, link: LinkEntry, write: () => T): Promise<T> {
  try {
    await directory.putLink(link)
  } catch (cause) {
    throw new AppError('unavailable', 'The link could not be made now.', { cause })
  }
  return write()
}

/** The same for a link that is unknown, expired, used up, revoked, or of a suspended owner: it says nothing of what it led to. */
export function unusable(kind: LinkEntry['kind']): AppError {
  return new AppError('not_found', `This ${kind} link does not exist, or is no longer valid.`)
}
