/**
 * All open sockets of this conversation, joined or not: how many there may be, when the proof of who holds one has
 * expired (rules M7, M8), and ending those of one person at once (rule C5).
 *
 * What proves who somebody is lives in the socket's attachment, so that a sleep changes nothing. Who reads along is the
 * audience's matter.
 */
import { AppError, ERRORS } from '../errors.ts'
import type { Principal } from '../protocol/principal.ts'
import { removed } from './access.ts'
import type { Audience } from './audience.ts'
import { errorFrame, type LastingReader } from './frame-intake.ts'
import type { Reader } from './room.ts'

export interface ConnectionsDeps {
  readonly audience: Pick<Audience, 'has' | 'sendTo' | 'leave' | 'cut' | 'restore' | 'followers'>
  readonly maxSocketsPerUser: number
  readonly maxSocketsPerRoom: number
  /** How long an expired proof is still good for, while a fresh one is on its way. */
  readonly authGraceMs: number
  isMember(userId: string): boolean
  now(): number
  /** Sees to it that {@link Connections.check} is called by then. */
  checkBy(time: number): void
  /** @throws AppError why the sockets of this person may not stay */
  connected(who: Principal, isHere: boolean): Promise<void>
  /** @throws AppError `unauthorized` */
  verify(token: string): Promise<Principal>
  report(event: string, error: unknown): void
}

export class Connections {
  readonly #deps: ConnectionsDeps
  readonly #open = new Set<LastingReader>()
  /** What each person's limiter is being told. */
  readonly #telling = new Map<string, Promise<void>>()
  #nextCheck = Number.POSITIVE_INFINITY

  constructor(deps: ConnectionsDeps) {
    this.#deps = deps
  }

  /** @throws AppError `too_many_connections` */
  admit({ userId }: Principal): void {
    this.#refuseMore([...this.#open], userId)
  }

  /** The same for one who follows a turn without a socket: those are counted by themselves. @throws AppError as above */
  admitFollower({ userId }: Principal): void {
    this.#refuseMore(this.#deps.audience.followers(), userId)
  }

  #refuseMore(readers: readonly Reader[], userId: string): void {
    const { maxSocketsPerUser, maxSocketsPerRoom } = this.#deps
    const own = readers.filter((reader) => reader.principal.userId === userId).length
    if (own >= maxSocketsPerUser) throw tooMany('connections_per_user', maxSocketsPerUser)
    if (readers.length >= maxSocketsPerRoom) throw tooMany('connections_per_conversation', maxSocketsPerRoom)
  }

  /** A new socket. */
  add(reader: LastingReader): void {
    const isFirst = !this.#isConnected(reader.principal.userId)
    this.#open.add(reader)
    if (isFirst) this.#tell(reader.principal)
    this.#watch(reader)
  }

  /** A socket that survived a sleep reads on; one whose holder is no member any more is closed. */
  restore(reader: LastingReader): void {
    if (!this.#deps.isMember(reader.principal.userId)) return this.#end(reader, removed())
    this.#open.add(reader)
    this.#watch(reader)
    if (reader.joined) this.#deps.audience.restore(reader)
  }

  /** False for one that was cut, or is now, because its proof has expired: what comes from it is not listened to. */
  hears(reader: LastingReader): boolean {
    return this.#open.has(reader) && !this.#endIfExpired(reader)
  }

  /** It has closed. */
  remove(reader: LastingReader): void {
    if (!this.#open.delete(reader)) return
    if (this.#deps.audience.has(reader)) this.#deps.audience.leave(reader)
    this.#tellIfGone(reader)
  }

  /** Ends what these people receive, joined or not, sockets and streams, with an `error` frame first. */
  cut(which: (principal: Principal) => boolean, error: AppError): void {
    const frame = errorFrame(error, '')
    const { closeCode } = ERRORS[error.code]
    for (const reader of this.#open) {
      if (!which(reader.principal)) continue
      this.#open.delete(reader)
      if (!this.#deps.audience.has(reader)) this.#end(reader, error)
      this.#tellIfGone(reader)
    }
    this.#deps.audience.cut(which, frame, closeCode, error.code)
  }

  /** Asks those whose proof has expired for a fresh one, and ends those who were asked and did not answer in time. */
  check(): void {
    this.#nextCheck = Number.POSITIVE_INFINITY
    const now = this.#deps.now()
    for (const reader of this.#open) {
      if (this.#endIfExpired(reader)) continue
      const due = expiryOf(reader.principal)
      if (due !== null && due <= now && !reader.asked) {
        const graceMs = due + this.#deps.authGraceMs - now
        this.#deps.audience.sendTo(reader, { type: 'auth_required', graceMs })
        reader.markAsked()
      }
      this.#watch(reader)
    }
  }

  /** @returns whether the connection was ended, because its grace time is over */
  #endIfExpired(reader: LastingReader): boolean {
    const due = expiryOf(reader.principal)
    if (due === null || this.#deps.now() < due + this.#deps.authGraceMs) return false
    const joined = this.#deps.audience.has(reader)
    this.#open.delete(reader)
    this.#end(reader, new AppError('unauthorized', 'The access token of this connection has expired.'))
    if (joined) this.#deps.audience.leave(reader)
    this.#tellIfGone(reader)
    return true
  }

  /** Takes a fresh proof. Never rejects: what is wrong with it is said on the socket, and ends nothing yet. */
  async authenticate(reader: LastingReader, token: string, requestId: string): Promise<void> {
    try {
      const principal = await this.#deps.verify(token)
      if (principal.userId !== reader.principal.userId)
        throw new AppError('unauthorized', 'This token is of somebody else.', { field: 'token' })
      if (!this.#open.has(reader)) return
      reader.renew(principal)
      this.#watch(reader)
      const due = expiryOf(principal)
      const expiresAt = due === null ? null : new Date(due).toISOString()
      this.#deps.audience.sendTo(reader, { type: 'authenticated', expiresAt })
    } catch (error) {
      if (!(error instanceof AppError)) this.#deps.report('authentication_failed', error)
      this.#deps.audience.sendTo(reader, errorFrame(error, requestId))
    }
  }

  /** Each proof is looked at when it expires, and when its grace time is over. */
  #watch({ principal, asked }: LastingReader): void {
    const due = expiryOf(principal)
    if (due === null) return
    const next = asked ? due + this.#deps.authGraceMs : due
    if (next >= this.#nextCheck) return
    this.#nextCheck = next
    this.#deps.checkBy(next)
  }

  #isConnected(userId: string): boolean {
    return [...this.#open].some((reader) => reader.principal.userId === userId)
  }

  #tellIfGone({ principal }: LastingReader): void {
    if (!this.#isConnected(principal.userId)) this.#tell(principal)
  }

  /** Not waited for by the socket; but one after the other, so that the last that is told of a person is how it is. */
  #tell(who: Principal): void {
    const { userId } = who
    const before = this.#telling.get(userId)
    const tell = async (): Promise<void> => {
      if (before) await before
      const isHere = this.#isConnected(userId)
      try {
        await this.#deps.connected(who, isHere)
      } catch (error) {
        // Suspended, or signed out, after the Worker had let them in.
        if (isHere && error instanceof AppError && !error.retryable)
          this.cut((each) => each.userId === userId, error)
        else this.#deps.report('connection_not_told', error)
      }
      if (this.#telling.get(userId) === mine) this.#telling.delete(userId)
    }
    const mine: Promise<void> = tell()
    this.#telling.set(userId, mine)
  }

  #end(reader: LastingReader, error: AppError): void {
    this.#deps.audience.sendTo(reader, errorFrame(error, ''))
    try {
      reader.close(ERRORS[error.code].closeCode, error.code)
    } catch {
      // It is closed already.
    }
  }
}

/** When the proof ends, in ms since the epoch; null when it does not. */
function expiryOf({ expiresAt }: Principal): number | null {
  return expiresAt === undefined ? null : expiresAt * 1000
}

function tooMany(name: string, limit: number): AppError {
  return new AppError('too_many_connections', `There may be ${limit} connections; close one first.`, {
    limit: { name, unit: 'connections', limit, remaining: 0, resetAt: null },
  })
}
