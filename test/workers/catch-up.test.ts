/**
 * Resuming, for any course that a conversation may have taken: a client that left at any moment and comes back has the
 * same text as one that never left. The client's half is the real one.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { applyFrame } from '../../src/client/apply-frame.ts'
import {
  joinRequest,
  newConversationState,
  type ConversationState,
} from '../../src/client/conversation-state.ts'
import { replay, type LiveAnswer } from '../../src/conversation/catch-up.ts'
import { composeFrame } from '../../src/conversation/events.ts'
import type { EventRow, MessageRow, TurnRow } from '../../src/conversation/events.ts'
import type { EventType } from '../../src/protocol/server-frames.ts'
import { textOf, type Conversation } from '../../src/protocol/message.ts'
import type { ServerFrame } from '../../src/protocol/server-frames.ts'

const AT = Date.parse('2026-11-20T10:00:00Z')
const CONVERSATION: Conversation = {
  id: '4b4f0e0e-6d0e-4a57-9f39-6f3a5d3a1c11',
  title: 'Title',
  ownerId: 'guest:1',
  createdAt: new Date(AT).toISOString(),
  lastActivityAt: new Date(AT).toISOString(),
  messageCount: 0,
}

type Ending = 'completed' | 'stopped' | 'failed' | 'interrupted'
const EVENT_OF: Record<Ending, EventType> = {
  completed: 'stream_complete',
  stopped: 'stream_stopped',
  failed: 'stream_failed',
  interrupted: 'stream_interrupted',
}

/** What one attempt said, and how much of that a crash took before anyone could store it. */
interface Attempt {
  readonly deltas: readonly string[]
  readonly lost: number
}

/** One turn: the attempts that it took and how it ended; null for one that runs still. */
interface TurnPlan {
  readonly attempts: readonly Attempt[]
  readonly ending: Ending
  readonly stoppedInQueue: boolean
}

/** A conversation as its rows and events are, and as it was shown to someone who was there all the time. */
class Course {
  readonly events: EventRow[] = []
  /** Everything that was broadcast. */
  readonly shown: ServerFrame[] = []
  readonly messages = new Map<number, MessageRow>()
  readonly turns = new Map<number, TurnRow>()
  live: LiveAnswer | null = null

  readonly rows = {
    conversation: () => CONVERSATION,
    members: () => [],
    message: (number: number) => this.messages.get(number)!,
    messageOrNull: (number: number) => this.messages.get(number) ?? null,
    turn: (number: number) => this.turns.get(number)!,
  }

  /** @param mark called at each moment at which somebody may leave or return */
  play(plan: TurnPlan, mark: () => void): void {
    const asked = this.messages.size + (this.live ? 1 : 0) + 1
    const number = asked + 1
    this.turns.set(number, turnRow(number))
    this.messages.set(asked, messageRow(asked, number, 'user', 'completed', `Question ${asked}`))
    this.#tell('message_created', asked)
    mark()
    let text = ''
    if (!plan.stoppedInQueue) {
      for (const [index, attempt] of plan.attempts.entries()) {
        this.#tell('stream_start', number, { attempt: index + 1, offset: 0 })
        text = ''
        mark()
        for (const delta of attempt.deltas) {
          this.shown.push({ type: 'stream_chunk', messageId: `m${number}`, offset: text.length, delta })
          text += delta
          this.live = { turn: this.turns.get(number)!, text }
          mark()
        }
        // The process died: what was not stored is gone, and nobody was told.
        if (attempt.lost > 0) text = text.slice(0, Math.max(0, text.length - attempt.lost))
      }
    }
    this.live = null
    const ending = plan.stoppedInQueue ? 'stopped' : plan.ending
    this.messages.set(number, messageRow(number, number, 'assistant', ending, text))
    this.#tell(EVENT_OF[ending], number)
    mark()
  }

  #tell(type: EventType, subject: number, data: EventRow['data'] = null): void {
    const event = { seq: this.events.length + 1, type, subject, data, at: AT }
    this.events.push(event)
    this.shown.push(composeFrame(event, this.rows))
  }
}

function turnRow(number: number): TurnRow {
  return {
    number,
    askedBy: number - 1,
    clientKey: `guest:1:${number}`,
    state: 'streaming',
    priority: 'normal',
    agentId: 'default',
    model: 'test-model',
    attempts: 1,
    acceptedSeq: 1,
    requestId: 'request-1',
    createdAt: AT,
    endedAt: null,
    payerId: null,
    resumedAttempt: null,
    resumedAt: null,
  }
}

function messageRow(
  number: number,
  turn: number,
  role: MessageRow['role'],
  status: MessageRow['status'],
  content: string,
): MessageRow {
  const failed = status === 'failed' || status === 'interrupted'
  return {
    number,
    parent: number === 1 ? null : number - 1,
    turn,
    role,
    status,
    content,
    tokens: 1,
    authorId: role === 'user' ? 'guest:1' : null,
    authorName: null,
    clientId: role === 'user' ? `c${number}` : null,
    createdAt: AT,
    agentId: null,
    model: null,
    finishReason: null,
    usage: null,
    error: failed ? { code: 'model_error', detail: 'It failed.', retryable: true } : null,
    origin: null,
  }
}

const joined = (seq: number, reset: boolean): ServerFrame => ({
  type: 'conversation_joined',
  seq,
  reset,
  conversation: CONVERSATION,
  ...(reset && { messages: [], before: null }),
  turns: [],
  viewers: [],
  you: { userId: 'guest:1', name: 'Guest' },
})

const read = (state: ConversationState, frames: readonly ServerFrame[]): ConversationState =>
  frames.reduce(applyFrame, state)

const texts = (state: ConversationState) =>
  state.messages.map((message) => ({ id: message.id, status: message.status, text: textOf(message) }))

const delta = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 })
const attempt = fc.record({
  deltas: fc.array(delta, { maxLength: 5 }),
  lost: fc.oneof(fc.constant(0), fc.nat(8)),
})
const turnPlan = fc.record({
  attempts: fc.array(attempt, { minLength: 1, maxLength: 2 }),
  ending: fc.constantFrom<Ending>('completed', 'stopped', 'failed', 'interrupted'),
  stoppedInQueue: fc.boolean(),
})
const plans = fc.array(turnPlan, { minLength: 1, maxLength: 4 })

test('R3 R4 R5 O6 whoever leaves at any moment and returns at any later one has what is stored, and nothing twice', () => {
  fc.assert(
    fc.property(plans, fc.nat(), fc.nat(), (turns, leaves, returns) => {
      // A first pass counts the moments; the second stops at two of them.
      let moments = 0
      const whole = new Course()
      for (const plan of turns) whole.play(plan, () => moments++)
      const leavesAt = leaves % moments
      const returnsAt = leavesAt + (returns % (moments - leavesAt))

      const course = new Course()
      let moment = 0
      let away: ConversationState | null = null
      let back: ConversationState | null = null
      let seen = 0
      for (const plan of turns) {
        course.play(plan, () => {
          if (moment === leavesAt) {
            away = read(newConversationState, [joined(0, true), ...course.shown])
            expect(away.needsRejoin).toBe(false)
          }
          if (moment === returnsAt && away) {
            const { after = 0, have } = joinRequest(away)
            const missed = course.events.filter((event) => event.seq > after)
            const frames = replay(missed, have, course.live, course.rows)
            const seqs = frames.flatMap((frame) => ('seq' in frame ? [frame.seq] : []))
            expect(seqs).toEqual(missed.map((event) => event.seq))
            back = read(away, [joined(course.events.length, false), ...frames])
            seen = course.shown.length
          }
          moment++
        })
      }
      const state = read(back ?? newConversationState, course.shown.slice(seen))
      expect(state.needsRejoin).toBe(false)
      expect(texts(state)).toEqual(
        [...course.messages.values()].map((row) => ({
          id: `m${row.number}`,
          status: row.status,
          text: row.content,
        })),
      )
    }),
    { numRuns: 2_000 },
  )
})
