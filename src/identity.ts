/**
 * The part of the composition root that says who somebody is: tokens, accounts, sessions, keys of machines and the external
 * provider, each with its adapter in D1 and Durable Objects. Built by `services.ts`, once per isolate.
 */
import commonPasswords from '../.build/common-passwords.txt'
import { Accounts } from './auth/accounts.ts'
import { networkOf } from './auth/attempts.ts'
import { Authenticator } from './auth/authenticator.ts'
import { GuessablePasswords } from './auth/guessable-passwords.ts'
import { ExternalTokens } from './auth/external-tokens.ts'
import { ServiceKeys } from './auth/api-keys.ts'
import { Sessions, type VoidTokens } from './auth/sessions.ts'
import type { Tokens } from './auth/tokens.ts'
import type { Config, Env } from './env.ts'
import { AppError, type ErrorShape } from './errors.ts'
import type { Logger } from './observability/logger.ts'
import type { Principal } from './protocol/principal.ts'
import * as accounts from './storage/accounts.ts'
import * as keys from './storage/api-keys.ts'
import type { NewEntry } from './storage/audit.ts'
import * as sessions from './storage/sessions.ts'

export interface Identity {
  /** Who brings this in `Authorization: Bearer …`. @throws AppError `unauthorized`, `suspended`, `unavailable` */
  verify(bearer: string): Promise<Principal>
  readonly accounts: Accounts
  readonly sessions: Sessions
  account(id: string): Promise<accounts.Account | null>
  rename(id: string, name: string): Promise<accounts.Account | null>
  /** Counts somebody who is new here. @throws AppError `rate_limited` when too many come from their network */
  welcome(address: string): Promise<void>
  /** Whether a guest's token of this id is of the past. */
  isRegistered(id: string): Promise<boolean>
  readonly keys: {
    /** @param entry of the trail that says so: written with the key, or neither */
    create(key: keys.ServiceKeyRow, most: number, entry: NewEntry): Promise<boolean>
    list(ownerId: string): Promise<keys.ServiceKeyRow[]>
    /** @returns whether it was there; that it serves no more is for the caller to tell its limiter object, at once */
    remove(ownerId: string, id: string): Promise<boolean>
  }
}

export interface IdentityParts {
  readonly env: Env
  readonly config: Config
  readonly logger: Logger
  readonly tokens: Tokens
  readonly voidTokens: (userId: string, which: VoidTokens) => Promise<void>
}

export function createIdentity({ env, config, logger, tokens, voidTokens }: IdentityParts): Identity {
  const { DB: db } = env
  const now = (): number => Date.now()
  const openSessions = new Sessions({
    store: {
      open: (session, token, passwordHash, most) =>
        sessions.openSession(db, session, token, passwordHash, most),
      rotate: (hash, next, at) => sessions.rotateToken(db, hash, next, at),
      list: (userId, since) => sessions.sessionsOf(db, userId, since),
      end: (userId, ids) => sessions.endSessions(db, userId, ids),
    },
    tokens,
    voidTokens,
    now,
  })
  const serviceKeys = new ServiceKeys((id) => keys.findServiceKey(db, id))
  const authenticator = new Authenticator({
    tokens,
    keys: serviceKeys,
    external: externalOf(config, logger),
    now,
    seen: ({ principal: { userId: id, name, role }, email }) =>
      accounts.noteExternal(db, { id, email, name, role, plan: 'free', createdAt: now() }),
    report: (error) => logger.error('person_not_noted', error),
  })
  return {
    verify: (bearer) => authenticator.verify(bearer),
    accounts: new Accounts({
      store: {
        byEmail: (key) => accounts.accountByEmail(db, key),
        byId: (id) => accounts.accountById(db, id),
        create: (account) => accounts.createAccount(db, account),
        replacePassword: (id, oldHash, newHash) => accounts.replacePassword(db, id, oldHash, newHash),
      },
      sessions: openSessions,
      attempts: {
        begin: (account, address) => beginAttempt(env, account, address),
        succeeded: (account, address) => attemptSucceeded(env, account, address),
      },
      common: new GuessablePasswords(commonPasswords),
      voidTokens,
      now,
    }),
    sessions: openSessions,
    account: (id) => accounts.accountById(db, id),
    rename: (id, name) => accounts.renameAccount(db, id, name),
    welcome: (address) => welcome(env, config.NEWCOMERS_PER_HOUR, address),
    isRegistered: (id) => accounts.isRegistered(db, id),
    keys: {
      create: (key, most, entry) => keys.createServiceKey(db, key, most, entry),
      list: (ownerId) => keys.serviceKeysOf(db, ownerId),
      remove: async (ownerId, id) => {
        const wasThere = await keys.removeServiceKey(db, ownerId, id)
        if (wasThere) serviceKeys.forget(id)
        return wasThere
      },
    },
  }
}

function externalOf(config: Config, logger: Logger): ExternalTokens | null {
  const { AUTH_JWKS_URL: jwksUrl, AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = config
  if (jwksUrl === undefined || issuer === undefined || audience === undefined) return null
  const provider = {
    jwksUrl,
    issuer,
    audience,
    roleClaim: config.AUTH_ROLE_CLAIM,
    roles: config.AUTH_ROLE_MAP,
  }
  return new ExternalTokens(provider, (event, details) => logger.warn(event, details))
}

const RETRY_AFTER_MS = 1_000

/** The network first: one that has to wait must not be able to use up the tries of an account. */
async function beginAttempt(env: Env, account: string, address: string): Promise<ErrorShape | null> {
  const network = networkOf(address)
  try {
    const byNetwork = await countsOf(env, `address:${network}`).tryNetwork()
    if (byNetwork) return byNetwork
    const byAccount = await countsOf(env, `email:${account}`).tryAccount(network)
    if (byAccount) await countsOf(env, `address:${network}`).networkSucceeded()
    return byAccount
  } catch (cause) {
    // Without the counts nobody could be kept from guessing.
    throw new AppError('unavailable', 'Signing in is not possible right now.', {
      cause,
      retryAfterMs: RETRY_AFTER_MS,
    })
  }
}

async function welcome(env: Env, perHour: number, address: string): Promise<void> {
  if (perHour === 0) return
  let refused: ErrorShape | null
  try {
    refused = await countsOf(env, `address:${networkOf(address)}`).tryNewcomer(perHour)
  } catch (cause) {
    // Everyone who is new has quotas, and those are money.
    throw new AppError('unavailable', 'Nobody new can come right now.', {
      cause,
      retryAfterMs: RETRY_AFTER_MS,
    })
  }
  if (refused) throw AppError.fromShape(refused)
}

/** A count that was not taken back is forgotten in time: that must not keep out whoever proved who they are. */
async function attemptSucceeded(env: Env, account: string, address: string): Promise<void> {
  const network = networkOf(address)
  await Promise.allSettled([
    countsOf(env, `email:${account}`).accountSucceeded(network),
    countsOf(env, `address:${network}`).networkSucceeded(),
  ])
}

const countsOf = (env: Env, name: string) => env.ATTEMPTS.get(env.ATTEMPTS.idFromName(name))
