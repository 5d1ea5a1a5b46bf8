/**
 * A room of the client library with the scripted browser below it and the model of a conversation at its other end, and
 * the steps that its tests share: opening it, answering its join, reading what it sent.
 */
import { createParley, memoryStore, type ConversationConnection } from '../../src/client/index.ts'
import type { JoinConversation } from '../../src/protocol/client-frames.ts'
import { CONVERSATION_ID, ConversationModel } from './conversation-model.ts'
import { FakeEnvironment, json, problemOf, settle, type FakeRequest } from './fake-environment.ts'

export const GUEST = {
  accessToken: 'token-1',
  tokenType: 'Bearer',
  expiresIn: 86_400,
  user: { id: 'u-you', name: 'You', role: 'guest' },
}

/** Routes that work; a test overrides the one that it is about. */
export function respond(request: FakeRequest): Response {
  if (request.path === '/api/auth/guest') return json(200, GUEST)
  if (request.path === '/api/auth/ticket') return json(200, { ticket: 'a+ticket', expiresIn: 60 })
  if (request.path === `/api/conversations/${CONVERSATION_ID}`) {
    return json(200, new ConversationModel().join({ type: 'join_conversation' })[0]!['conversation' as never])
  }
  return problemOf(404, 'not_found')
}

export function newRoom() {
  const env = new FakeEnvironment()
  env.respond = respond
  const model = new ConversationModel()
  const pendingStore = memoryStore()
  const tokenStore = memoryStore()
  const connect = () => createParley({ environment: env, tokenStore, pendingStore }).connect(CONVERSATION_ID)
  return { env, model, connect, room: connect() }
}

type Room = ReturnType<typeof newRoom>

/** Opens the newest socket and answers its join from the model. */
export function join({ env, model }: Pick<Room, 'env' | 'model'>): void {
  env.socket.open()
  answerJoin({ env, model })
}

export function answerJoin({ env, model }: Pick<Room, 'env' | 'model'>): void {
  const { socket } = env
  const frame = socket.frames.findLast((sent) => sent.type === 'join_conversation')
  for (const answer of model.join(frame as unknown as JoinConversation)) socket.say(answer)
  model.show = (live) => socket.say(live)
}

export async function open(all: Room): Promise<ConversationConnection> {
  all.room.open()
  await settle()
  join(all)
  return all.room
}

export const status = (room: ConversationConnection) => room.snapshot.status.state
export const chats = (all: Room) => all.env.socket.frames.filter((frame) => frame.type === 'stream_chat')
