/**
 * The shape of `INCIDENT_RULES`: when an incident opens, when it is over, and who hears of it how soon, as an operator
 * writes it: changes over the standard rules, by name. Here, because the configuration checks it and may import nothing
 * but the protocol. What is made of it: `incidents/`.
 */
import * as z from 'zod'

/** What is measured, and in which unit `open` and `close` are. */
export const RULE_KINDS = [
  /** Percent of the calls that failed. */
  'error_rate',
  /** Milliseconds to the first token that 95 % of the answers keep. */
  'first_token_p95',
  /** Seconds since a breaker was last closed. */
  'breaker_open',
  /** Milliseconds of waiting that 95 % of the turns keep. */
  'queue_wait',
  /** US dollars an hour, if it goes on like this. */
  'budget_burn',
] as const
export const ruleKind = z.enum(RULE_KINDS)
export type RuleKind = z.infer<typeof ruleKind>

export const severity = z.enum(['warning', 'critical'])
export type Severity = z.infer<typeof severity>

/** Longest window, in minutes: so much is held in memory. */
export const MAX_WINDOW_MINUTES = 60
/** The histogram of first tokens knows nothing beyond its last bound, in ms. */
const MAX_FIRST_TOKEN_MS = 60_000

const threshold = z.number().nonnegative().max(1_000_000_000)

const fields = {
  kind: ruleKind,
  severity,
  /** Whether each provider is looked at for itself; a breaker always is one provider's. */
  per: z.enum(['provider', 'all']),
  /** From here on it is bad. */
  open: threshold,
  /** Below this it is good again; between the two, all stays as it was. */
  close: threshold,
  /** Over which time calls are looked at. Not of `breaker_open`. */
  windowMinutes: z.int().min(1).max(MAX_WINDOW_MINUTES),
  /** Fewer calls in the window open nothing. Of `error_rate` and `first_token_p95`. */
  minCalls: z.int().min(1).max(1_000_000),
  /** So many turns that waited in vain in the window are bad as well; null: they are not counted. Of `queue_wait`. */
  timeouts: z.int().min(1).max(1_000_000).nullable(),
  /** How long it must be bad before an incident opens. */
  forSeconds: z.int().min(0).max(3_600),
  /** How long it must be good before the incident is over by itself. */
  clearForSeconds: z.int().min(0).max(86_400),
}

const rule = z
  .strictObject(fields)
  .refine(({ open, close }) => close < open, { message: 'must be less than "open"', path: ['close'] })
  .refine(({ kind, open }) => kind !== 'error_rate' || open <= 100, {
    message: 'is in percent',
    path: ['open'],
  })
  .refine(({ kind, open }) => kind !== 'first_token_p95' || open <= MAX_FIRST_TOKEN_MS, {
    message: `must be at most ${MAX_FIRST_TOKEN_MS}`,
    path: ['open'],
  })
  .refine(({ kind, per }) => kind !== 'breaker_open' || per === 'provider', {
    message: 'must be "provider" for a breaker',
    path: ['per'],
  })
export type IncidentRule = Readonly<z.infer<typeof rule>>

const COMMON = { per: 'provider', windowMinutes: 5, minCalls: 20, timeouts: null } as const

/** The rules that there are when nobody says otherwise: one of each kind, named like it. */
export const STANDARD_RULES: Record<RuleKind, IncidentRule> = {
  error_rate: {
    ...COMMON,
    kind: 'error_rate',
    severity: 'critical',
    open: 25,
    close: 10,
    forSeconds: 60,
    clearForSeconds: 300,
  },
  first_token_p95: {
    ...COMMON,
    kind: 'first_token_p95',
    severity: 'warning',
    open: 15_000,
    close: 8_000,
    windowMinutes: 10,
    forSeconds: 120,
    clearForSeconds: 600,
  },
  breaker_open: {
    ...COMMON,
    kind: 'breaker_open',
    severity: 'critical',
    open: 60,
    close: 1,
    forSeconds: 0,
    clearForSeconds: 120,
  },
  queue_wait: {
    ...COMMON,
    kind: 'queue_wait',
    severity: 'warning',
    open: 30_000,
    close: 10_000,
    timeouts: 5,
    forSeconds: 60,
    clearForSeconds: 300,
  },
  budget_burn: {
    ...COMMON,
    kind: 'budget_burn',
    severity: 'warning',
    per: 'all',
    open: 50,
    close: 35,
    windowMinutes: 30,
    forSeconds: 300,
    clearForSeconds: 900,
  },
}

export const escalationStep = z.strictObject({
  /** Minutes since it opened, while nobody has acknowledged it. */
  afterMinutes: z.int().min(0).max(10_080),
  level: z.int().min(1).max(9),
})
export type EscalationStep = Readonly<z.infer<typeof escalationStep>>

const STANDARD_ESCALATION: readonly EscalationStep[] = [
  { afterMinutes: 0, level: 1 },
  { afterMinutes: 10, level: 2 },
  { afterMinutes: 30, level: 3 },
]

const rises = (steps: readonly EscalationStep[]): boolean =>
  steps.every((step, i) => {
    const before = steps[i - 1]
    return before === undefined || (before.afterMinutes < step.afterMinutes && before.level < step.level)
  })

export const ruleName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'must be a lower-case name of at most 32 letters, digits, "_" and "-"')

export interface IncidentRules {
  readonly rules: Readonly<Record<string, IncidentRule>>
  readonly escalation: readonly EscalationStep[]
  /** An incident that ended by itself goes on when it is bad again within this time. */
  readonly reopenMinutes: number
}

/**
 * `{"rules": {"error_rate": {"open": 40}, "budget_burn": null, "eu": {"kind": "error_rate", "open": 5, "close": 1}}}`:
 * a part of a rule over the standard one of that name, or of that kind; null switches a rule off.
 */
export const incidentRules = z
  .strictObject({
    rules: z.record(ruleName, z.strictObject(fields).partial().nullable()).default({}),
    escalation: z
      .array(escalationStep)
      .min(1)
      .max(9)
      .refine(rises, 'must rise, in minutes and in levels')
      .optional(),
    reopenMinutes: z.int().min(0).max(1_440).default(10),
  })
  .transform((input, check): IncidentRules => {
    const rules: Record<string, IncidentRule> = { ...STANDARD_RULES }
    for (const [name, change] of Object.entries(input.rules)) {
      if (change === null) {
        delete rules[name]
        continue
      }
      const named = ruleKind.safeParse(name).data
      const kind = change.kind ?? named
      const merged = rule.safeParse({ ...(kind && STANDARD_RULES[kind]), ...change })
      if (merged.success) rules[name] = merged.data
      for (const { path, message } of merged.error?.issues ?? [])
        check.addIssue({ code: 'custom', path: ['rules', name, ...path], message, input: change })
    }
    return { rules, escalation: input.escalation ?? STANDARD_ESCALATION, reopenMinutes: input.reopenMinutes }
  })
