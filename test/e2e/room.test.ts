/**
 * Twenty windows in one room that lose their network, leave and come back at random during one long answer. Half of them
 * are the product's own client, which comes back by itself; half are raw sockets, which come back by the rules of the
 * protocol. When each one is away is a function of the seed and of how far the answer has come, not of time.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isTurnEnded } from '../../src/protocol/server-frames.ts'
import { CuttableLink } from '../support/cuttable-link.ts'
import { expectedText } from '../support/model-text.ts'
import { World } from '../support/parley-world.ts'
import { openProductClient, type ProductClient } from '../support/product-client.ts'
import { randomFromEnv } from '../support/random.ts'
import { TestClient } from '../support/test-client.ts'
import type { TestUser } from '../support/test-user.ts'

const random = randomFromEnv('ROOM_SEED')
const CLIENTS = 20
/** A token is four characters long. */
const TOKENS = 1500
const CHARS = TOKENS * 4

let world: World
let owner: TestUser
const links: CuttableLink[] = []

beforeAll(async () => {
  world = await World.start()
  owner = await world.user()
})
afterAll(async () => {
  await Promise.all(links.map((link) => link.close()))
  await world?.end()
})

test('20 clients that drop and rejoin at random during a long answer end with identical text (promises 3, 6)', async () => {
  const conversationId = await owner.newConversation()
  const anchor = await TestClient.join(owner, conversationId)
  const raw = await Promise.all(Array.from({ length: CLIENTS / 2 }, () => joinRaw(conversationId)))
  const product = await Promise.all(Array.from({ length: CLIENTS / 2 }, () => joinProduct(conversationId)))
  await anchor.until((room) => room.viewers[0]?.connections === CLIENTS + 1)
  for (const { client } of product) expect(client.connection.snapshot.state.viewers).toHaveLength(1)

  const content = `long [[tokens=${TOKENS} delay=3 seed=${random.seed % 1000}]]`
  const { answerId } = await anchor.say(content)
  const reached = (chars: number) => anchor.until((room) => room.text(answerId).length >= chars)

  await Promise.all([
    ...raw.map(({ client, link }) => disturbRaw(client, link, reached)),
    ...product.map(({ client, link }) => disturbProduct(client, link, reached)),
  ])
  await anchor.ended(answerId)
  await anchor.until((room) => room.turns.length === 0 && room.messages.size === 2 + CLIENTS)
  for (const { client } of raw) await client.until((room) => room.transcript.length === 2 + CLIENTS)
  await Promise.all(product.map(({ client }) => client.until(({ state }) => isSettled(state))))
  await Promise.all(raw.map(({ client }) => client.until((room) => room.turns.length === 0)))

  const stored = await owner.transcript(conversationId)
  expect(stored[1]).toBe(`${answerId} assistant completed: ${expectedText(content)}`)
  expect(anchor.room.transcript).toEqual(stored)
  for (const { client } of raw) {
    expect(client.room.transcript).toEqual(stored)
    expect(client.room.breaches).toEqual([])
  }
  for (const { client } of product) expect(client.transcript).toEqual(stored)
  expect(anchor.frames.filter(isTurnEnded).map(({ type }) => type)).toEqual(
    Array.from({ length: 1 + CLIENTS / 2 }, () => 'stream_complete'),
  )

  // Everybody is here once, whatever they went through; then one half leaves.
  await anchor.until((room) => room.viewers[0]?.connections === CLIENTS + 1)
  for (const { client } of product) client.close()
  await anchor.until((room) => room.viewers[0]?.connections === CLIENTS / 2 + 1)
  for (const { link } of raw) link.cut()
  await anchor.until((room) => room.viewers[0]?.connections === 1)
})

async function newLink(): Promise<CuttableLink> {
  const link = await CuttableLink.to(world.url)
  links.push(link)
  return link
}

async function joinRaw(conversationId: string): Promise<{ client: TestClient; link: CuttableLink }> {
  const link = await newLink()
  return { client: await TestClient.join(owner.by(link.url), conversationId), link }
}

async function joinProduct(conversationId: string): Promise<{ client: ProductClient; link: CuttableLink }> {
  const link = await newLink()
  const client = openProductClient(owner.by(link.url), conversationId)
  await client.until(({ status }) => status.state === 'open')
  return { client, link }
}

/** How far the answer is at each going and coming, in order. */
function pointsOf(count: number): number[] {
  return Array.from({ length: count }, () => random.int(0, CHARS)).toSorted((a, b) => a - b)
}

/** Goes and comes back a few times, with a cut or a proper goodbye. */
async function disturbRaw(
  client: TestClient,
  link: CuttableLink,
  reached: (chars: number) => Promise<void>,
): Promise<void> {
  const points = pointsOf(2 * random.int(2, 5))
  const coin = points.map(() => random.pick([true, false]))
  for (const [index, point] of points.entries()) {
    await reached(point)
    if (index % 2 === 1) await client.connect({ compact: coin[index] })
    else if (coin[index]) {
      link.cut()
      await client.closed
    } else await client.drop()
  }
}

/** Loses its network a few times, once with a message that was just sent; coming back is its own affair. */
async function disturbProduct(
  client: ProductClient,
  link: CuttableLink,
  reached: (chars: number) => Promise<void>,
): Promise<void> {
  const points = pointsOf(random.int(3, 6))
  for (const [index, point] of points.entries()) {
    await reached(point)
    if (index === 1) client.connection.send('said on a bad line [[tokens=3]]')
    link.cut()
  }
}

function isSettled(state: ProductClient['connection']['snapshot']['state']): boolean {
  return state.messages.length === 2 + CLIENTS && state.turns.length === 0 && state.pending.length === 0
}
