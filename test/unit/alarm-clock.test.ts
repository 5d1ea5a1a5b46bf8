/**
 * Several due times behind one alarm: none is missed, whatever comes in between, and as few alarms are set as that takes.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AlarmClock } from '../../src/conversation/alarm-clock.ts'

/** A clock with its alarm, both moved by hand. */
function clockAt(now: number, stored: number | null = null) {
  const world = { now, alarm: stored, set: 0 }
  const make = (): AlarmClock<string> =>
    new AlarmClock({
      stored: world.alarm,
      now: () => world.now,
      wakeAt(time) {
        world.alarm = time
        world.set++
      },
    })
  return { world, make, clock: make() }
}

describe('an alarm clock', () => {
  test('wakes for the earliest, and is wound for the next', () => {
    const { world, clock } = clockAt(0)
    clock.within('a', 30)
    clock.within('b', 10)
    expect(world).toMatchObject({ alarm: 10, set: 2 })
    world.now = 10
    expect(clock.ring()).toEqual(['b'])
    clock.wind()
    expect(world.alarm).toBe(30)
  })

  test('sets no alarm when one comes sooner anyway', () => {
    const { world, clock } = clockAt(0)
    clock.within('a', 10)
    for (let time = 11; time < 20; time++) clock.within('b', time)
    expect(world).toMatchObject({ alarm: 10, set: 1 })
  })

  test('an exact time moves the alarm later, but never past what else is due', () => {
    const { world, clock } = clockAt(0)
    clock.at('retry', 1)
    clock.at('retry', 4)
    expect(world.alarm).toBe(4)
    clock.within('turn', 15)
    clock.at('retry', 300)
    expect(world.alarm).toBe(15)
    clock.clear('turn')
    clock.at('retry', 301)
    expect(world.alarm).toBe(301)
  })

  test('knows the alarm of the process before', () => {
    const { world, clock } = clockAt(0, 10)
    clock.within('a', 20)
    expect(world).toMatchObject({ alarm: 10, set: 0 })
    clock.within('b', 5)
    expect(world).toMatchObject({ alarm: 5, set: 1 })
  })

  test('does not count on an alarm that should have gone off already', () => {
    const { world, clock } = clockAt(100, 50)
    clock.within('a', 200)
    expect(world.alarm).toBe(200)
  })

  test('whatever is asked of it, an alarm is set at or before everything that is due', () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constantFrom('at' as const, 'within' as const),
        name: fc.constantFrom('a', 'b', 'c'),
        in: fc.integer({ min: 1, max: 50 }),
      }),
      fc.record({ do: fc.constant('clear' as const), name: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 40 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { world, clock } = clockAt(1_000)
        const due = new Map<string, number>()
        for (const one of steps) {
          if (one.do === 'pass') {
            world.now += one.ms
            if (world.alarm !== null && world.alarm <= world.now) {
              world.alarm = null
              const rung = clock.ring()
              const expected = [...due].filter(([, time]) => time <= world.now).map(([name]) => name)
              expect(rung.toSorted()).toEqual(expected.toSorted())
              for (const name of rung) due.delete(name)
              clock.wind()
            }
          } else if (one.do === 'clear') {
            clock.clear(one.name)
            due.delete(one.name)
          } else {
            clock[one.do](one.name, world.now + one.in)
            due.set(one.name, world.now + one.in)
          }
          for (const time of due.values()) expect(world.alarm ?? Infinity).toBeLessThanOrEqual(time)
        }
      }),
    )
  })
})
