/**
 * Who is asked for an answer, and in which order: pure, from what providers list and what the caller named.
 *
 * First those that have what was named, in the order of the list; then, as fallbacks, all others with the model that comes
 * nearest: that of the same tier, else their first. Whether one can be asked now is the chain's question.
 */
import type { Verdict } from './provider-gate.ts'
import { TIERS, type Tier } from '../protocol/provider-config.ts'

export interface Offer {
  readonly name: string
  readonly models: readonly [string, ...string[]]
  readonly tiers: Readonly<Partial<Record<Tier, string>>>
}

export interface Candidate {
  readonly provider: string
  readonly model: string
}

export type Offers = readonly [Offer, ...Offer[]]

/** The model of a request that names none. */
export function defaultModelOf([first]: Offers): string {
  return first.models[0]
}

/** What a caller may name: every model that is listed, and every tier that somebody has. */
export function namesOf(offers: Offers): readonly string[] {
  const tiers = TIERS.filter((tier) => offers.some((offer) => offer.tiers[tier] !== undefined))
  return [...new Set([...offers.flatMap((offer) => offer.models), ...tiers])]
}

/**
 * @param name a tier, a model, or nothing; what nobody has (any more) is taken for nothing
 * @returns at least one, each provider once
 */
export function candidatesOf(offers: Offers, name: string): readonly [Candidate, ...Candidate[]] {
  const meant = meantBy(offers, name)
  if (meant.length === 0) return candidatesOf(offers, defaultModelOf(offers))
  const tiers = isTier(name) && meant.some((each) => each.byTier) ? [name] : tiersOf(offers, name)
  const others = offers.filter((offer) => !meant.some(({ provider }) => provider === offer.name))
  const [first, ...rest] = [
    ...meant.map(({ provider, model }) => ({ provider, model })),
    ...others.map((offer) => ({ provider: offer.name, model: modelOfTier(offer, tiers) ?? offer.models[0] })),
  ]
  return first === undefined ? candidatesOf(offers, '') : [first, ...rest]
}

/**
 * Whose place a turn is to wait for, where there is somebody to wait for: the first that can be asked, else the first that
 * may be any moment.
 *
 * @returns null when nobody can be asked for some time: such a turn is to be refused, and not to wait
 */
export function firstToAsk(
  candidates: readonly Candidate[],
  verdict: (candidate: Candidate) => Verdict,
): Candidate | null {
  const known = candidates.map((candidate) => ({ candidate, verdict: verdict(candidate) }))
  const first =
    known.find((each) => each.verdict.ok) ??
    known.find((each) => !each.verdict.ok && each.verdict.why === 'half_open')
  return first?.candidate ?? null
}

interface Meant extends Candidate {
  readonly byTier: boolean
}

function meantBy(offers: Offers, name: string): readonly Meant[] {
  return offers.flatMap((offer): Meant[] => {
    if (offer.models.includes(name)) return [{ provider: offer.name, model: name, byTier: false }]
    const model = isTier(name) ? offer.tiers[name] : undefined
    return model === undefined ? [] : [{ provider: offer.name, model, byTier: true }]
  })
}

/** The tiers under which this model stands, in the order of those who list it. */
function tiersOf(offers: Offers, model: string): readonly Tier[] {
  return offers.flatMap((offer) => TIERS.filter((tier) => offer.tiers[tier] === model))
}

function modelOfTier(offer: Offer, tiers: readonly Tier[]): string | undefined {
  return tiers.map((tier) => offer.tiers[tier]).find((model) => model !== undefined)
}

function isTier(name: string): name is Tier {
  return (TIERS as readonly string[]).includes(name)
}
