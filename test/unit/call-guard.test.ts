/**
 * The guard of a model call: what ends a wait, and that time only counts while the provider is waited for.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallGuard, monotonicMs } from '../../src/models/call-guard.ts'

const never = new Promise<never>(() => {})

function setUp() {
  const caller = new AbortController()
  const guard = new CallGuard(caller.signal, () => new Error('too late'))
  return { caller, guard }
}

/** What became of a wait so far. */
function watch(wait: Promise<unknown>): { outcome: unknown } {
  const watched: { outcome: unknown } = { outcome: 'waiting' }
  wait.then(
    (value) => (watched.outcome = value),
    (error: unknown) => (watched.outcome = error),
  )
  return watched
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a wait', () => {
  it('gives what the step gives', async () => {
    const { guard } = setUp()

    await expect(guard.wait(Promise.resolve(7), monotonicMs() + 100)).resolves.toBe(7)
    await expect(guard.wait(Promise.reject(new Error('broke')), monotonicMs() + 100)).rejects.toThrow('broke')
    expect(guard.signal.aborted).toBe(false)
  })

  it('ends at its deadline, and cancels the upstream', async () => {
    const { guard } = setUp()
    const wait = watch(guard.wait(never, monotonicMs() + 100))

    await vi.advanceTimersByTimeAsync(99)
    expect(wait.outcome).toBe('waiting')
    await vi.advanceTimersByTimeAsync(2)
    expect(wait.outcome).toEqual(new Error('too late'))
    expect(guard.signal.aborted).toBe(true)
  })

  it('ends at once when the caller aborts, with the reason, and cancels the upstream', async () => {
    const { caller, guard } = setUp()
    const wait = watch(guard.wait(never, monotonicMs() + 100))
    caller.abort('enough')

    await vi.advanceTimersByTimeAsync(0)
    expect(wait.outcome).toBe('enough')
    expect(guard.signal.aborted).toBe(true)
  })

  it('does not begin when the caller has aborted while nothing was waited for', async () => {
    const { caller, guard } = setUp()
    caller.abort('enough')

    await expect(guard.wait(Promise.resolve(7), monotonicMs() + 100)).rejects.toBe('enough')
  })

  it('may have an earlier deadline than the one before', async () => {
    const { guard } = setUp()
    await guard.wait(Promise.resolve(1), monotonicMs() + 10_000)
    const wait = watch(guard.wait(never, monotonicMs() + 50))

    await vi.advanceTimersByTimeAsync(51)
    expect(wait.outcome).toEqual(new Error('too late'))
  })

  it('may have a later deadline than the one before', async () => {
    const { guard } = setUp()
    await guard.wait(Promise.resolve(1), monotonicMs() + 50)
    const wait = watch(guard.wait(never, monotonicMs() + 500))

    await vi.advanceTimersByTimeAsync(499)
    expect(wait.outcome).toBe('waiting')
    await vi.advanceTimersByTimeAsync(2)
    expect(wait.outcome).toEqual(new Error('too late'))
  })
})

describe('time', () => {
  it('does not count while the consumer works', async () => {
    const { guard } = setUp()
    await guard.wait(Promise.resolve(1), monotonicMs() + 50)
    await vi.advanceTimersByTimeAsync(10_000)
    const wait = watch(guard.wait(never, monotonicMs() + 50))

    expect(guard.signal.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(49)
    expect(wait.outcome).toBe('waiting')
    await vi.advanceTimersByTimeAsync(2)
    expect(wait.outcome).toEqual(new Error('too late'))
  })

  it('costs one timer for a thousand waits', async () => {
    const { guard } = setUp()
    const armed = vi.spyOn(globalThis, 'setTimeout')
    for (let i = 0; i < 1_000; i++) await guard.wait(Promise.resolve(i), monotonicMs() + 1_000)

    expect(armed).toHaveBeenCalledTimes(1)
    expect(vi.getTimerCount()).toBe(1)
    guard.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})
