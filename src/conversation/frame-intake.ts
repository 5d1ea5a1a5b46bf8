/**
 * From what arrived on a socket to one call: checks the frame, calls the conversation, answers what is wrong with it.
 * A bad frame closes nothing (rule E2).
 */
import { AppError, ERRORS } from '../errors.ts'
import { clientFrames, type ClientFrame } from '../protocol/client-frames.ts'
import { fieldError } from '../protocol/field-error.ts'
import { MAX_FRAME_BYTES } from '../protocol/limits.ts'
import type { MemberAction } from '../protocol/permissions.ts'
import type { Principal } from '../protocol/principal.ts'
import type { FrameOf } from '../protocol/server-frames.ts'
import type { Conversation } from './conversation.ts'
import type { Reader } from './room.ts'

/** A reader on a connection that outlives the process's memory. */
export interface LastingReader extends Reader {
  /** Keeps across sleeps whether it reads along, and how. */
  remember(joined: boolean, compact: boolean): void
  /** Whether it read along before the last sleep, or does now. */
  readonly joined: boolean
  /** Whether it was asked for a fresh proof of who it is, and has not given one. */
  readonly asked: boolean
  markAsked(): void
  /** Puts a fresh proof in the place of the old one. */
  renew(principal: Principal): void
}

/** What each frame asks of its sender. */
const ACTIONS = {
  join_conversation: 'conversation:read',
  leave_conversation: 'conversation:read',
  authenticate: 'conversation:read',
  typing: 'conversation:write',
  stop_stream: 'conversation:write',
  continue_turn: 'conversation:write',
  stream_chat: 'conversation:write',
} as const satisfies Record<ClientFrame['type'], MemberAction>

/** @param report told of unexpected errors; its result is the id under which the log has it */
export function receive(
  conversation: Conversation,
  reader: LastingReader,
  data: string | ArrayBuffer,
  requestId: string,
  report: (error: unknown) => void,
): void | Promise<void> {
  let id: string | undefined
  const refuse = (error: unknown): void => {
    if (!(error instanceof AppError)) report(error)
    conversation.audience.sendTo(reader, errorFrame(error, requestId, id))
  }
  try {
    let frame: ClientFrame | null = null
    try {
      frame = parseFrame(data, (found) => {
        id = found
      })
    } finally {
      // Before what is wrong with it is said: a flood of bad frames is a flood.
      conversation.frames.count(reader, frame?.type ?? null)
    }
    return dispatch(conversation, reader, frame, requestId)?.catch(refuse)
  } catch (error) {
    refuse(error)
  }
}

function dispatch(
  conversation: Conversation,
  reader: LastingReader,
  frame: ClientFrame,
  requestId: string,
): Promise<void> | undefined {
  // By the rows as they are, whatever was true when the socket was opened.
  conversation.doors.access.authorize(reader.principal, ACTIONS[frame.type])
  if (frame.type === 'authenticate')
    return conversation.doors.connections.authenticate(reader, frame.token, requestId)
  if (frame.type === 'join_conversation') {
    reader.remember(true, frame.compact ?? false)
    conversation.audience.join(reader, frame)
    return undefined
  }
  if (!conversation.audience.has(reader)) throw new AppError('not_joined', 'Send "join_conversation" first.')
  switch (frame.type) {
    case 'leave_conversation':
      reader.remember(false, reader.compact)
      conversation.audience.leave(reader)
      return undefined
    case 'typing':
      conversation.audience.typing(reader, frame.active ?? true)
      return undefined
    case 'stop_stream':
      conversation.stop(frame.turnId)
      return undefined
    case 'continue_turn':
      return conversation.resume(reader.principal, frame.turnId).then(() => undefined)
    case 'stream_chat': {
      const accepted = conversation.chat(reader.principal, { ...frame, requestId }, reader)
      // Not awaited where nothing has to be waited for: the frames of a turn keep their place.
      return accepted instanceof Promise ? accepted.then(() => undefined) : undefined
    }
  }
}

/**
 * @param foundId told of the client's id as soon as it is known, so that even a refusal can name the message
 * @throws AppError `invalid_frame`, `frame_too_large`, `invalid_json`, `validation_failed`
 */
export function parseFrame(data: string | ArrayBuffer, foundId: (id: string) => void): ClientFrame {
  if (typeof data !== 'string')
    throw new AppError('invalid_frame', 'Binary frames are not part of this protocol.')
  if (byteLength(data) > MAX_FRAME_BYTES) {
    throw new AppError(
      'frame_too_large',
      `A frame may have ${MAX_FRAME_BYTES} bytes; send longer messages by HTTP.`,
    )
  }
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    throw new AppError('invalid_json', 'The frame is not valid JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('invalid_frame', 'A frame is a JSON object with a "type".', { field: 'type' })
  }
  if ('id' in value && typeof value.id === 'string') foundId(value.id.slice(0, 128))
  const type = 'type' in value && typeof value.type === 'string' ? value.type : ''
  if (!isFrameType(type))
    throw new AppError('invalid_frame', 'The "type" of this frame is not known.', { field: 'type' })
  const parsed = clientFrames[type].safeParse(value)
  if (parsed.success) return parsed.data
  throw fieldError(parsed.error)
}

function isFrameType(type: string): type is keyof typeof clientFrames {
  return Object.hasOwn(clientFrames, type)
}

export function errorFrame(error: unknown, requestId: string, id?: string): FrameOf<'error'> {
  const known =
    error instanceof AppError
      ? error
      : new AppError('internal', `Something went wrong on our side. The request id is ${requestId}.`)
  return {
    type: 'error',
    title: ERRORS[known.code].title,
    ...known.toShape(),
    ...(id !== undefined && { id }),
  }
}

/** UTF-8 bytes; counts only where the length in code units leaves a doubt. */
function byteLength(text: string): number {
  if (text.length > MAX_FRAME_BYTES || text.length * 3 <= MAX_FRAME_BYTES) return text.length
  return new TextEncoder().encode(text).byteLength
}
