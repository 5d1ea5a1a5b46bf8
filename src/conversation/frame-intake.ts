/**
 * From what arrived on a socket to one call: checks the frame, calls the conversation, answers what is wrong with it.
 * A bad frame closes nothing (rule E2).
 */
import { AppError, ERRORS } from '../errors.ts'
import { clientFrames, type ClientFrame } from '../protocol/client-frames.ts'
import { fieldError } from '../protocol/field-error.ts'
import { MAX_FRAME_BYTES } from '../protocol/limits.ts'
import type { FrameOf } from '../protocol/server-frames.ts'
import type { Conversation } from './conversation.ts'
import type { Reader } from './room.ts'

/** A reader on a connection that outlives the process's memory. */
export interface LastingReader extends Reader {
  /** Keeps across sleeps whether it reads along, and how. */
  remember(joined: boolean, compact: boolean): void
}

/** @param report told of unexpected errors; its result is the id under which the log has it */
export function receive(
  conversation: Conversation,
  reader: LastingReader,
  data: string | ArrayBuffer,
  requestId: string,
  report: (error: unknown) => void,
): void {
  let id: string | undefined
  try {
    const frame = parseFrame(data, (found) => {
      id = found
    })
    dispatch(conversation, reader, frame, requestId)
  } catch (error) {
    if (!(error instanceof AppError)) report(error)
    conversation.audience.sendTo(reader, errorFrame(error, requestId, id))
  }
}

function dispatch(
  conversation: Conversation,
  reader: LastingReader,
  frame: ClientFrame,
  requestId: string,
): void {
  if (frame.type === 'join_conversation') {
    reader.remember(true, frame.compact ?? false)
    return conversation.audience.join(reader, frame)
  }
  if (!conversation.audience.has(reader)) throw new AppError('not_joined', 'Send "join_conversation" first.')
  switch (frame.type) {
    case 'leave_conversation':
      reader.remember(false, reader.compact)
      return conversation.audience.leave(reader)
    case 'typing':
      return conversation.audience.typing(reader, frame.active ?? true)
    case 'stop_stream':
      return void conversation.stop(frame.turnId)
    case 'stream_chat':
      return void conversation.chat(reader.principal, { ...frame, requestId }, reader)
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
