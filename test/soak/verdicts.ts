/**
 * What a soak must have shown, each as one line: what was asked for, what was found, whether that is enough.
 */
import { textOf } from '../../src/protocol/message.ts'
import type { Priority } from '../../src/protocol/ids.ts'
import { median, percentile } from '../bench/statistics.ts'
import { openTurns } from '../support/stored-conversation.ts'
import { MAIN } from './asks.ts'
import type { SoakRun } from './soak.ts'
import type { Said, Talker } from './talkers.ts'

export interface Verdict {
  readonly what: string
  readonly found: string
  readonly ok: boolean
}

const MOST_CALLS = 1.2
/** Of waits: fewer say nothing. */
const LEAST_SAMPLES = 20
const SHOWN = 3

const MIB = 1024 * 1024

/** @param mostGrowth of memory, as a part: a short run is still growing into what it needs */
export function verdictsOf(run: SoakRun, mostGrowth = 1.2): Verdict[] {
  return [
    turnsEnd(run),
    nothingLost(run),
    textsExact(run),
    nothing(
      'breaches of the protocol',
      run.talkers.flatMap(({ breaches }) => breaches),
    ),
    calls(run),
    breakerOpens(run),
    breakerCloses(run),
    waits(run),
    flat('the heap of the isolate, collected', run.heap, mostGrowth),
    flat('the resident memory of the runtime', run.memory, mostGrowth),
  ]
}

function turnsEnd({ stored, messages }: SoakRun): Verdict {
  const open = [...stored.values()].flatMap((each) => openTurns(each))
  const all = [...stored.values()].flatMap(({ turns }) => turns)
  const answers = [...messages.values()].flat().filter(({ role }) => role === 'assistant')
  const ends = countsOf(answers.map(({ status, error }) => (error ? `${status} ${error.code}` : status)))
  return { what: 'every turn has ended', found: ends, ok: open.length === 0 && all.length > 0 }
}

/** How often there is which, the most frequent first. */
function countsOf(names: readonly string[]): string {
  return Object.entries(Object.groupBy(names, (name) => name))
    .map(([name, all]) => ({ name, count: all?.length ?? 0 }))
    .toSorted((a, b) => b.count - a.count)
    .map(({ name, count }) => `${count} ${name}`)
    .join(', ')
}

function nothingLost({ talkers, stored, messages }: SoakRun): Verdict {
  const wrong = talkers.flatMap(({ said, conversationId }) => {
    const asked = said.map(({ clientId }) => clientId)
    const kept = stored.get(conversationId)?.clientIds ?? []
    const told = (messages.get(conversationId) ?? []).flatMap(({ role, clientId }) =>
      role === 'user' && clientId !== undefined ? [clientId] : [],
    )
    return [kept, told].some((ids) => ids.join() !== asked.join()) ? [conversationId] : []
  })
  const refusals = talkers.reduce((sum, each) => sum + each.refusals, 0)
  const count = talkers.reduce((sum, { said }) => sum + said.length, 0)
  const found = `${count} messages, ${refusals} refusals, wrong: ${wrong.slice(0, SHOWN).join(' ') || 'none'}`
  return { what: 'every message is in its conversation once, in order', found, ok: wrong.length === 0 }
}

/** Of every answer that is complete; of the others, what there is of them is how it begins. */
function textsExact({ talkers, messages, stored }: SoakRun): Verdict {
  const wrong: string[] = []
  let count = 0
  for (const { said, conversationId } of talkers) {
    const answers = (messages.get(conversationId) ?? []).filter(({ role }) => role === 'assistant')
    for (const [i, { ask }] of said.entries()) {
      const answer = answers[i]
      const text = answer ? textOf(answer) : ''
      const isComplete = answer?.status === 'completed'
      if (isComplete) count++
      if (stored.get(conversationId)?.turns[i]?.text !== text) wrong.push(`not as stored: ${ask.fault}`)
      if (ask.texts === null) continue
      const isRight = ask.texts.some((each) => (isComplete ? each === text : each.startsWith(text)))
      if (!isRight) wrong.push(`${ask.fault ?? 'no fault'}, ${answer?.status}: ${ask.texts[0]} / ${text}`)
    }
  }
  const found = `${count} complete, wrong: ${wrong.length}${wrong
    .slice(0, SHOWN)
    .map((each) => `\n    ${each}`)
    .join('')}`
  return { what: "answers are the model's to the letter", found, ok: wrong.length === 0 && count > 0 }
}

function nothing(what: string, found: readonly string[]): Verdict {
  return { what: `no ${what}`, found: found.slice(0, SHOWN).join('; ') || 'none', ok: found.length === 0 }
}

function calls({ calls: { main, second, refused }, talkers }: SoakRun): Verdict {
  const turns = talkers.reduce((sum, { said }) => sum + said.length, 0)
  const faulty = talkers.reduce(
    (sum, { said }) => sum + said.filter(({ ask }) => ask.fault !== null).length,
    0,
  )
  const perTurn = (main + second + refused) / turns
  return {
    what: `at most ${MOST_CALLS} calls per turn`,
    found: `${perTurn.toFixed(3)} (${main} + ${second} + ${refused} refused, of ${turns} turns, ${faulty} of them with a fault)`,
    ok: perTurn <= MOST_CALLS,
  }
}

function breakerOpens({ breakers, unplugged }: SoakRun): Verdict {
  const opened = breakers.find(
    ({ event, provider, at }) => provider === MAIN.name && event === 'breaker_opened' && at >= unplugged.from,
  )
  return {
    what: 'the breaker opens while the provider is unplugged',
    found: opened ? `${opened.at - unplugged.from} ms after it: ${opened.why}` : 'never',
    ok: opened !== undefined && opened.at <= unplugged.to,
  }
}

function breakerCloses({ breakers, unplugged }: SoakRun): Verdict {
  const of = breakers.filter(({ provider }) => provider === MAIN.name)
  const since = of.filter(({ at }) => at >= unplugged.to)
  const closed = since.findIndex(({ event }) => event === 'breaker_closed')
  const story = since
    .slice(0, closed === -1 ? undefined : closed + 1)
    .map(({ event, at, why }) => `${event.slice('breaker_'.length)} after ${at - unplugged.to} ms (${why})`)
  const opened = of.filter(({ event }) => event === 'breaker_opened').length
  return {
    what: 'it closes again when the provider is back',
    found: `${story.join(', ') || 'nothing was heard of it'}; opened ${opened} times in all`,
    ok: closed !== -1,
  }
}

function waits({ talkers }: SoakRun): Verdict {
  const [high, normal, low] = (['high', 'normal', 'low'] as const).map((priority) =>
    waitsOf(talkers, priority),
  )
  const text = (name: string, ms: readonly number[] | undefined): string =>
    !ms || ms.length === 0
      ? `${name}: none`
      : `${name} ${[0.5, 0.95].map((part) => Math.round(percentile(ms, part))).join(' / ')} ms of ${ms.length}`
  const isEnough = Math.min(high?.length ?? 0, low?.length ?? 0) >= LEAST_SAMPLES
  return {
    what: "a high priority's p95 of waits is below a low one's p50",
    found: `p50 / p95: ${text('high', high)}, ${text('normal', normal)}, ${text('low', low)}`,
    ok: isEnough && percentile(high ?? [], 0.95) < percentile(low ?? [], 0.5),
  }
}

function waitsOf(talkers: readonly Talker[], priority: Priority): number[] {
  const all: Said[] = talkers.flatMap(({ said }) => said)
  return all.flatMap((each) => (each.priority === priority && each.waitMs !== null ? [each.waitMs] : []))
}

/** Medians, because a moment's peak is no leak; against the second quarter, for in the first all is being made. */
function flat(name: string, samples: readonly number[], mostGrowth: number): Verdict {
  const quarter = Math.floor(samples.length / 4)
  const [second, last] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)].map((each) =>
    median(each),
  )
  const tenths = Array.from({ length: 10 }, (_, i) =>
    Math.round((samples[Math.floor(((i + 0.5) / 10) * samples.length)] ?? 0) / MIB),
  )
  const growth = (last ?? Infinity) / (second ?? 1)
  return {
    what: `${name} is flat: at most ${Math.round((mostGrowth - 1) * 100)} % more in the last quarter than in the second`,
    found: `${Math.round((second ?? 0) / MIB)} → ${Math.round((last ?? 0) / MIB)} MiB; by tenths ${tenths.join(' ')}`,
    ok: growth <= mostGrowth,
  }
}

/** As Markdown, with what operators were told of the queue at the end. */
export function report(run: SoakRun, verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(({ what, found, ok }) => `| ${what} | ${found} | ${ok ? '✓' : '✗'} |`)
  const queue = run.queues.flatMap(({ provider, priorities }) =>
    priorities
      .filter(({ granted }) => granted > 0)
      .map(
        (each) => `${provider} ${each.priority}: ${each.granted} placed, ${each.p50Ms} / ${each.p95Ms} ms`,
      ),
  )
  return `| | found | |\n| --- | --- | --- |\n${lines.join('\n')}\n\nGET /api/queue, p50 / p95 of five minutes: ${queue.join('; ')}`
}
