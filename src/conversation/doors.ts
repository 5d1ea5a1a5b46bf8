/**
 * The ways into a conversation, over one set of parts: being a member (`access`), links that make one (`invites`) or show
 * one branch (`shares`), and the sockets that are open (`connections`). Puts together, decides nothing.
 */
import type { AppError } from '../errors.ts'
import { Access } from './access.ts'
import type { Audience } from './audience.ts'
import { Connections } from './connections.ts'
import type { Database } from './database.ts'
import type { ConversationDeps } from './deps.ts'
import type { EventRow } from './events.ts'
import type { History } from './history.ts'
import { Invites } from './invites.ts'
import type { LogReader } from './log-reader.ts'
import type { Membership } from './membership.ts'
import { Shares } from './shares.ts'

interface Parts {
  readonly db: Database
  readonly history: History
  readonly membership: Membership
  readonly log: LogReader
  readonly audience: Audience
  readonly deps: ConversationDeps
  announce(event: EventRow): Promise<void>
  checkProofsBy(time: number): void
  report(event: string, error: unknown): void
}

export interface Doors {
  readonly access: Access
  readonly invites: Invites
  readonly shares: Shares
  readonly connections: Connections
}

export function openDoors({ db, history, membership, log, audience, deps, ...calls }: Parts): Doors {
  const now = (): number => deps.now()
  const report = (event: string, error: unknown): void => calls.report(event, error)
  const announce = (event: EventRow): Promise<void> => calls.announce(event)
  const isDeleted = (): boolean => history.conversation.deletedAt !== null
  const connections = new Connections({
    ...deps.settings,
    audience,
    now,
    report,
    isMember: (userId) => membership.roleOf(userId) !== null,
    connected: (who, isHere) => deps.connected(who, history.conversation.id, isHere),
    checkBy: (time) => calls.checkProofsBy(time),
    verify: (token) => deps.verify(token),
  })
  const cut = (userId: string, error: AppError): void =>
    connections.cut((principal) => principal.userId === userId, error)
  const access = new Access({ membership, now, isDeleted, announce, cut })
  const shared = {
    db,
    access,
    membership,
    log,
    now,
    isDeleted,
    isOwnerSuspended: () => deps.isSuspended(history.conversation.ownerId),
    announce,
    report,
    seq: () => history.seq,
    directory: deps.directory,
    conversationId: history.conversation.id,
    title: () => history.conversation.title,
  }
  return { access, connections, invites: new Invites(shared), shares: new Shares(shared) }
}
