/**
 * The numbers of the protocol: both sides check against these, and error messages name them.
 * What an operator may change is configuration, and stands in `env.ts`.
 */

/** Longest message a person may send, in UTF-16 code units (what `String.length` says). */
export const MAX_CONTENT_CHARS = 32_000

/** Largest frame a client may send, in bytes of UTF-8. A longer message goes by `POST /api/chat/stream`. */
export const MAX_FRAME_BYTES = 64 * 1024

/** Longest title of a conversation, in UTF-16 code units. */
export const MAX_TITLE_CHARS = 200

/** Longest client-made id (`stream_chat.id`, `idempotencyKey`). */
export const MAX_CLIENT_ID_CHARS = 128

/** Messages in one page of history: default and most. */
export const PAGE_MESSAGES = 50
export const MAX_PAGE_MESSAGES = 200

/** Text in one page of history, in UTF-16 code units; a page holds at least one message. */
export const PAGE_CHARS = 512 * 1024

/** A client that missed more events than this gets a fresh page instead of a replay. */
export const MAX_REPLAY_EVENTS = 256

/** Conversations in one page of the list: default and most. */
export const PAGE_CONVERSATIONS = 30
export const MAX_PAGE_CONVERSATIONS = 100

/** Life of a socket ticket, in seconds. */
export const TICKET_TTL_S = 60

/** A client sends this text as a keep-alive and is answered without waking the object. */
export const PING = 'ping'
export const PONG = 'pong'

/** People in one conversation, and open links of each kind. */
export const MAX_MEMBERS = 200
export const MAX_LINKS = 100

/** Life of an invite, in hours: default (a week) and most (a month). */
export const INVITE_HOURS = 7 * 24
export const MAX_INVITE_HOURS = 30 * 24
export const MAX_INVITE_USES = MAX_MEMBERS

/** Life of a share, in days, where one is set. */
export const MAX_SHARE_DAYS = 366

/** Longest token that is looked at; access tokens of other identity providers are the longest. */
export const MAX_TOKEN_CHARS = 8_192
