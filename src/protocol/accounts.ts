/**
 * Bodies and answers of accounts: registering, signing in, sessions, one's own profile, service keys.
 *
 * Bodies refuse what they do not know, so that nobody registers with a role. Lengths of passwords count code points
 * after NFKC, which is what is hashed: the same password is typed as different code units on different keyboards.
 */
import * as z from 'zod'
import { email } from './email.ts'
import { SCOPES } from './permissions.ts'
import { role } from './principal.ts'

export const MIN_PASSWORD_CHARS = 12
export const MAX_PASSWORD_CHARS = 128
/** Of what is sent, before it is normalised: bounds the work that a body can cause. */
const MAX_RAW_PASSWORD_CHARS = 1_024
export const MAX_NAME_CHARS = 64
export const MAX_KEY_NAME_CHARS = 64
export const MAX_KEY_DAYS = 366

/** How a password is compared and counted. */
export const normalPassword = (text: string): string => text.normalize('NFKC')

const codePoints = (text: string): number => Array.from(text).length

/** One line that shows: what others see of somebody, and what stands in logs and headers. */
const name = z
  .string()
  .max(1_024)
  .refine((text) => text.isWellFormed(), 'holds half a surrogate pair')
  .transform((text) => text.normalize('NFC').replace(/\s+/g, ' ').trim())
  // Control characters break lines and headers; those of direction make a name read as another.
  .refine(
    (text) => !/[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u.test(text),
    'holds a control character',
  )
  .refine((text) => text !== '', 'is empty')

export const displayName = name.refine(
  (text) => text.length <= MAX_NAME_CHARS,
  `is longer than ${MAX_NAME_CHARS} characters`,
)

/** A password that somebody chooses. That it is not a common one is for the server to say. */
export const newPassword = z
  .string()
  .max(MAX_RAW_PASSWORD_CHARS, `is longer than ${MAX_PASSWORD_CHARS} characters`)
  .refine((text) => text.isWellFormed(), 'holds half a surrogate pair')
  .transform(normalPassword)
  .refine((text) => codePoints(text) >= MIN_PASSWORD_CHARS, `has fewer than ${MIN_PASSWORD_CHARS} characters`)
  .refine((text) => codePoints(text) <= MAX_PASSWORD_CHARS, `is longer than ${MAX_PASSWORD_CHARS} characters`)

/** A password that is only compared: one that is too short is just wrong. */
const givenPassword = z.string().max(MAX_RAW_PASSWORD_CHARS).transform(normalPassword)

export const registerBody = z.strictObject({ email, password: newPassword, name: displayName.optional() })
export type RegisterBody = z.input<typeof registerBody>

export const loginBody = z.strictObject({ email: z.string().max(254), password: givenPassword })
export type LoginBody = z.input<typeof loginBody>

export const refreshBody = z.strictObject({ refreshToken: z.string().min(1).max(256) })
export type RefreshBody = z.input<typeof refreshBody>

export const passwordBody = z.strictObject({ currentPassword: givenPassword, newPassword })
export type PasswordBody = z.input<typeof passwordBody>

export const accountUser = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string().nullable(),
  role,
  plan: z.string(),
})
export type AccountUser = z.infer<typeof accountUser>

/** Of registering, signing in, refreshing and changing the password. */
export const sessionAnswer = z.object({
  accessToken: z.string(),
  tokenType: z.literal('Bearer'),
  /** Seconds until the access token expires. */
  expiresIn: z.int(),
  /** Serves once: refreshing gives the next one. */
  refreshToken: z.string(),
  /** Seconds until the refresh token expires, if it is not used. */
  refreshExpiresIn: z.int(),
  user: accountUser,
})
export type SessionAnswer = z.infer<typeof sessionAnswer>

export const meAnswer = z.object({
  user: accountUser.extend({
    /** ISO 8601; null for somebody without an account of ours. */
    createdAt: z.string().nullable(),
  }),
  kind: z.enum(['user', 'guest', 'service']),
})
export type MeAnswer = z.infer<typeof meAnswer>

export const updateMeBody = z.strictObject({ name: displayName })
export type UpdateMeBody = z.input<typeof updateMeBody>

export const session = z.object({
  id: z.string(),
  /** Whether this request came with it. */
  current: z.boolean(),
  createdAt: z.string(),
  lastUsedAt: z.string(),
  /** `User-Agent` of the device that signed in; empty when it said none. */
  agent: z.string(),
  /** Network address that the device signed in from. */
  address: z.string(),
})
export type Session = z.infer<typeof session>

/** Last used first. */
export const sessionsAnswer = z.object({ sessions: z.array(session) })
export type SessionsAnswer = z.infer<typeof sessionsAnswer>

export const createKeyBody = z.strictObject({
  name: name.refine(
    (text) => text.length <= MAX_KEY_NAME_CHARS,
    `is longer than ${MAX_KEY_NAME_CHARS} characters`,
  ),
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .max(SCOPES.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, 'holds a scope twice'),
  expiresInDays: z.int().min(1).max(MAX_KEY_DAYS).optional(),
})
export type CreateKeyBody = z.input<typeof createKeyBody>

export const serviceKey = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: z.string(),
  /** Null: it does not expire. */
  expiresAt: z.string().nullable(),
})
export type ServiceKey = z.infer<typeof serviceKey>

/** Keys that are in force, newest first. */
export const keysAnswer = z.object({ keys: z.array(serviceKey) })
export type KeysAnswer = z.infer<typeof keysAnswer>

export const createdKeyAnswer = serviceKey.extend({
  /** The key itself: shown here and never again. */
  key: z.string(),
})
export type CreatedKeyAnswer = z.infer<typeof createdKeyAnswer>
