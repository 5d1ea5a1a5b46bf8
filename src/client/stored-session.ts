/**
 * Who we are, as it lies in the store that all tabs share: a guest, an account, or a person whose session has ended and
 * who has not yet said what they want to be next. Only shapes, reading and writing; when to renew is `session.ts`.
 */
import * as z from 'zod'
import { accountUser, type SessionAnswer } from '../protocol/accounts.ts'
import { guestAnswer, type GuestAnswer } from '../protocol/http.ts'
import type { KeyValueStore } from './environment.ts'

export const STORE_KEY = 'parley.session'

/** A token is renewed in the last fifth of its life: early enough to survive some failed attempts. */
const RENEW_IN_LAST_PART = 0.2

const token = {
  accessToken: z.string(),
  /** Milliseconds since the epoch, by this machine's clock. */
  expiresAt: z.number(),
  renewAt: z.number(),
}
const account = z.object({ ...token, refreshToken: z.string(), user: accountUser })
const guest = z.object({ ...token, user: guestAnswer.shape.user })
/** `chosen`: signed out here or in another tab; `refused`: the server does not know the session any more. */
const ended = z.object({
  ended: z.enum(['chosen', 'refused', 'suspended', 'erased']),
  /** Who it was, so that signing in again can say so. */
  email: z.string().nullable(),
})
const stored = z.union([account, guest, ended])

export type AccountSession = z.infer<typeof account>
export type GuestSession = z.infer<typeof guest>
export type LiveSession = AccountSession | GuestSession
export type EndedSession = z.infer<typeof ended>
export type StoredSession = LiveSession | EndedSession
export type EndReason = EndedSession['ended']

export const isAccount = (session: StoredSession | null): session is AccountSession =>
  session !== null && 'refreshToken' in session
export const isEnded = (session: StoredSession | null): session is EndedSession =>
  session !== null && 'ended' in session

export function sessionOf(answer: SessionAnswer, now: number): AccountSession {
  const { refreshToken, user } = answer
  return { ...tokenOf(answer, now), refreshToken, user }
}

export function guestOf(answer: GuestAnswer, now: number): GuestSession {
  return { ...tokenOf(answer, now), user: answer.user }
}

/** @returns null when there is none, or one that cannot be read (another version's, or written by hand) */
export function readSession(text: string | null): StoredSession | null {
  if (text === null) return null
  try {
    return stored.parse(JSON.parse(text))
  } catch {
    return null
  }
}

export function writeSession(store: KeyValueStore, session: StoredSession): void {
  store.setItem(STORE_KEY, JSON.stringify(session))
}

function tokenOf({ accessToken, expiresIn }: { accessToken: string; expiresIn: number }, now: number) {
  const life = expiresIn * 1000
  return { accessToken, expiresAt: now + life, renewAt: now + life * (1 - RENEW_IN_LAST_PART) }
}
