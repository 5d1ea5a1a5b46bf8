/**
 * The client's state under every kind of cut: whatever a client misses, hears twice or holds too much of, it ends with
 * the text that an undisturbed client has, which is the text that the server stores.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  applyFrame,
  joinRequest,
  newConversationState,
  type ConversationState,
} from '../../src/client/index.ts'
import { textOf, type Message } from '../../src/protocol/message.ts'
import type { ServerFrame } from '../../src/protocol/server-frames.ts'
import { ConversationModel } from '../support/conversation-model.ts'

/** A client as the connection drives it, with a link that the test cuts. */
class Client {
  state: ConversationState = newConversationState
  linked = false
  joins = 0
  readonly #model: ConversationModel
  /** Chunks of the attempt that runs, to be heard again. */
  #chunks: ServerFrame[] = []

  constructor(model: ConversationModel) {
    this.#model = model
  }

  join(fresh = false): void {
    this.linked = true
    this.joins++
    for (const frame of this.#model.join(joinRequest(this.state, fresh))) this.#apply(frame)
    if (this.state.needsRejoin) throw new Error('joining left a gap')
  }

  hear(frame: ServerFrame, times = 1): void {
    if (!this.linked) return
    if (frame.type === 'stream_start') this.#chunks = []
    if (frame.type === 'stream_chunk') this.#chunks.push(frame)
    for (let i = 0; i < times; i++) this.#apply(frame)
    if (this.state.needsRejoin) this.join()
  }

  hearAgain(which: number): void {
    const frames = [...this.#model.log, ...this.#chunks]
    const frame = frames[which % Math.max(1, frames.length)]
    if (this.linked && frame) this.#apply(frame)
    if (this.state.needsRejoin) this.join()
  }

  cut(): void {
    this.linked = false
    this.#chunks = []
  }

  #apply(frame: ServerFrame): void {
    this.state = applyFrame(this.state, frame)
  }
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ do: 'say' } as const) },
  { weight: 4, arbitrary: fc.constant({ do: 'start' } as const) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('delta' as const),
      text: fc.string({ minLength: 1, unit: 'grapheme' }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      status: fc.constantFrom('completed', 'stopped', 'failed', 'interrupted'),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'goOn' } as const) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), kept: fc.nat(12) }) },
)

/** What happens to the disturbed client before a step. */
const trouble = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ do: 'nothing' } as const) },
  { weight: 3, arbitrary: fc.constant({ do: 'cut' } as const) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('join' as const), fresh: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('again' as const), which: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
)

const script = fc.array(fc.tuple(trouble, step, fc.integer({ min: 1, max: 3 })), {
  minLength: 1,
  maxLength: 60,
})

test('O1 O4 O5 O6 R2-R7: any loss, repeat, cut, resume and going on ends with the stored text', () => {
  fc.assert(
    fc.property(script, fc.constantFrom(256, 5), (steps, maxReplay) => {
      const model = new ConversationModel()
      model.maxReplay = maxReplay
      const calm = new Client(model)
      const troubled = new Client(model)
      let times = 1
      let lose = false
      model.show = (frame) => {
        calm.hear(frame)
        if (!lose) troubled.hear(frame, times)
      }
      calm.join()
      troubled.join()

      for (const [what, action, repeats] of steps) {
        times = repeats
        // A frame that is lost without the link being cut does not happen over TCP; the state must notice all the same.
        lose = what.do === 'lose'
        if (what.do === 'cut') troubled.cut()
        if (what.do === 'join') troubled.join(what.fresh)
        if (what.do === 'again') troubled.hearAgain(what.which)
        if (action.do === 'say') model.say('question')
        if (action.do === 'start') model.start()
        if (action.do === 'goOn') model.goOn()
        if (action.do === 'delta') model.delta(action.text)
        if (action.do === 'end') model.end(action.status)
        if (action.do === 'crash' && model.running) {
          calm.cut()
          troubled.cut()
          model.crash(action.kept)
          model.recover()
          calm.join()
        }
      }
      lose = false
      if (model.running) model.end('completed')
      troubled.join()

      const stored = [...model.messages.values()].toSorted(
        (a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)),
      )
      const seen = (m: Message) => [m.id, m.status, textOf(m), m.error]
      const asSeen = (state: ConversationState) => state.messages.map(seen)
      const truth = stored.map(seen)
      expect(asSeen(calm.state)).toEqual(truth)
      expect(asSeen(troubled.state)).toEqual(truth)
      expect(troubled.state.seq).toBe(model.log.length)
      expect(troubled.state.turns.map((turn) => turn.turnId)).toEqual(model.turns.map((turn) => turn.turnId))
    }),
    { numRuns: 4000 },
  )
})

test('R3 R4: a client that is cut at every possible frame in turn needs one join each, and never a fresh page', () => {
  const frames: ServerFrame[] = []
  const record = (model: ConversationModel) => {
    model.say('one')
    model.start()
    for (const text of ['Hel', 'lo ', '🌍', ' and', ' all']) model.delta(text)
    model.say('two')
    model.end('completed')
    model.start()
    model.delta('Second.')
    model.end('stopped')
  }
  const whole = new ConversationModel()
  whole.show = (frame) => frames.push(frame)
  record(whole)

  for (let from = 0; from < frames.length; from++) {
    for (let until = from + 1; until <= frames.length; until++) {
      const model = new ConversationModel()
      const client = new Client(model)
      client.join()
      let at = 0
      model.show = (frame) => {
        if (at === from) client.cut()
        if (at === until) client.join()
        else client.hear(frame)
        at++
      }
      record(model)
      if (!client.linked) client.join()
      expect(client.joins, `cut before frame ${from}, back before frame ${until}`).toBe(2)
      expect(client.state.messages.map(textOf)).toEqual(['one', 'Hello 🌍 and all', 'two', 'Second.'])
    }
  }
})
