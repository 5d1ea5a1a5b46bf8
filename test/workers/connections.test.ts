/**
 * The sockets of a conversation, without a platform: how many there may be of all people together, and when the next proof
 * is looked at. What needs real sockets is in test/workers/socket-auth.test.ts.
 */
import { describe, expect, test, vi } from 'vitest'
import { Connections } from '../../src/conversation/connections.ts'
import type { LastingReader } from '../../src/conversation/frame-intake.ts'
import type { AppError } from '../../src/errors.ts'
import type { Principal } from '../../src/protocol/principal.ts'

function readerOf(userId: string, expiresAt?: number) {
  const principal: Principal = {
    userId,
    name: userId,
    role: 'user',
    kind: 'user',
    ...(expiresAt && { expiresAt }),
  }
  const reader = {
    principal,
    compact: false,
    present: true,
    joined: false,
    asked: false,
    closed: 0,
    send() {},
    remember() {},
    markAsked() {
      reader.asked = true
    },
    renew(fresh: Principal) {
      reader.principal = fresh
      reader.asked = false
    },
    close(code: number) {
      reader.closed = code
    },
  }
  return reader satisfies LastingReader & { closed: number }
}

function connections({ now = 0 } = {}) {
  const world = { now, checkAt: null as number | null, told: [] as string[], sent: [] as string[] }
  const open = new Connections({
    maxSocketsPerUser: 2,
    maxSocketsPerRoom: 3,
    authGraceMs: 60_000,
    now: () => world.now,
    isMember: (userId) => userId !== 'gone',
    checkBy(time) {
      world.checkAt = time
    },
    verify: (token) => Promise.resolve(readerOf('ada', Number(token)).principal),
    connected({ userId }, isHere) {
      world.told.push(`${userId} ${isHere ? 'came' : 'went'}`)
      return Promise.resolve()
    },
    report() {},
    audience: {
      has: () => false,
      sendTo: (_reader, frame) => void world.sent.push(frame.type),
      leave() {},
      cut() {},
      restore() {},
      followers: () => [],
    },
  })
  return { open, world }
}

const refusal = (run: () => void): AppError | null => {
  try {
    run()
    return null
  } catch (error) {
    return error as AppError
  }
}

describe('the sockets of a conversation', () => {
  test('M8 are limited per person and in all, and whoever goes makes room', () => {
    const { open } = connections()
    const [first, second, third] = [readerOf('ada'), readerOf('ada'), readerOf('bob')]
    for (const reader of [first, second]) open.add(reader)
    expect(refusal(() => open.admit(first.principal))?.limit).toMatchObject({
      name: 'connections_per_user',
      limit: 2,
    })
    open.add(third)
    expect(refusal(() => open.admit(readerOf('cleo').principal))?.limit).toMatchObject({
      name: 'connections_per_conversation',
      limit: 3,
    })
    open.remove(first)
    expect(refusal(() => open.admit(readerOf('cleo').principal))).toBeNull()
  })

  test('C5 the first and the last of a person are told, whether they close or are cut', async () => {
    const { open, world } = connections()
    const readers = [readerOf('ada'), readerOf('ada'), readerOf('bob')]
    for (const reader of readers) open.add(reader)
    open.remove(readers[0]!)
    expect(world.told).toEqual(['ada came', 'bob came'])
    open.remove(readers[1]!)
    open.remove(readers[1]!)
    await vi.waitUntil(() => world.told.includes('ada went'))
    // What is told of one person is told in order: all that went before has been, when this has.
    open.add(readerOf('ada'))
    await vi.waitUntil(() => world.told.filter((each) => each === 'ada came').length === 2)
    expect(world.told).toEqual(['ada came', 'bob came', 'ada went', 'ada came'])
  })

  test('M6 of who is no member are closed when they are restored', () => {
    const { open } = connections()
    const reader = readerOf('gone')
    open.restore(reader)
    expect(reader.closed).toBe(4403)
    expect(open.hears(reader)).toBe(false)
  })

  test('M7 each proof is looked at when it ends and when its grace time is over; a fresh one starts anew', async () => {
    const { open, world } = connections()
    const [ada, bob] = [readerOf('ada', 100), readerOf('bob', 500)]
    open.add(bob)
    expect(world.checkAt).toBe(500_000)
    open.add(ada)
    expect(world.checkAt).toBe(100_000)
    world.now = 100_000
    open.check()
    expect(world.sent).toEqual(['auth_required'])
    expect(world.checkAt).toBe(160_000)
    await open.authenticate(ada, '400', 'r')
    expect(world.sent).toEqual(['auth_required', 'authenticated'])
    world.now = 160_000
    open.check()
    expect(ada.closed).toBe(0)
    expect(world.checkAt).toBe(400_000)
    world.now = 459_999
    expect(open.hears(ada)).toBe(true)
    world.now = 460_000
    expect(open.hears(ada)).toBe(false)
    expect(ada.closed).toBe(4401)
    expect(open.hears(bob)).toBe(true)
  })
})
