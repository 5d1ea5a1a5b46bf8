/**
 * Passwords, hashed by scrypt of `node:crypto`. What is stored says how it was made (a PHC string), so that parameters can be
 * raised: whoever signs in with a weaker hash gets a new one.
 *
 * A Worker has 128 MB, hence N=2^14 with p=5 (16 MiB, an equal of N=2^17 with p=1 by OWASP's table). Which passwords may be
 * chosen is for `guessable-passwords.ts`.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { normalPassword } from '../protocol/accounts.ts'

interface Cost {
  /** log2 of N. */
  readonly ln: number
  readonly r: number
  readonly p: number
}

const COST: Cost = { ln: 14, r: 8, p: 5 }
const SALT_BYTES = 16
const KEY_BYTES = 32
/** scrypt needs 128·N·r bytes; twice that, and what comes in a row of our own cannot ask for more. */
const MAX_MEMORY_BYTES = 64 * 1024 * 1024

/** `$scrypt$ln=14,r=8,p=5$<salt>$<key>`, in base64 without padding. */
const PHC = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z\d+/]{11,86})\$([A-Za-z\d+/]{22,86})$/

export async function hashPassword(password: string, cost: Cost = COST): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(password, salt, KEY_BYTES, cost)
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${unpadded(salt)}$${unpadded(key)}`
}

/**
 * @param stored null when there is no such user: the same work is done, and the answer is no
 * @returns whether it is the password
 */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const parsed = stored === null ? null : parse(stored)
  const { cost, salt, key } = parsed ?? NOBODYS
  const derived = await derive(password, salt, key.length, cost)
  return timingSafeEqual(derived, key) && parsed !== null
}

/** Whether a hash was made with other parameters than today's. */
export function needsUpgrade(stored: string): boolean {
  const parsed = parse(stored)
  if (!parsed) return true
  const { cost, salt, key } = parsed
  const isCurrent = cost.ln === COST.ln && cost.r === COST.r && cost.p === COST.p
  return !isCurrent || salt.length !== SALT_BYTES || key.length !== KEY_BYTES
}

interface Stored {
  readonly cost: Cost
  readonly salt: Buffer
  readonly key: Buffer
}

const NOBODYS: Stored = { cost: COST, salt: Buffer.alloc(SALT_BYTES), key: Buffer.alloc(KEY_BYTES) }

function parse(stored: string): Stored | null {
  const [, ln, r, p, salt = '', key = ''] = PHC.exec(stored) ?? []
  if (ln === undefined) return null
  return {
    cost: { ln: Number(ln), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64'),
    key: Buffer.from(key, 'base64'),
  }
}

function derive(password: string, salt: Buffer, bytes: number, { ln, r, p }: Cost): Promise<Buffer> {
  const options = { N: 2 ** ln, r, p, maxmem: MAX_MEMORY_BYTES }
  return new Promise((resolve, reject) => {
    scrypt(normalPassword(password), salt, bytes, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')
