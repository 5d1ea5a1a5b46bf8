/**
 * Changing what a person is, for the routes that do: who did it stands in the trail with it, and what may not be is said in
 * one place. What follows for tokens and sockets is for the route.
 */
import type { Context } from 'hono'
import type { AppEnv } from '../env.ts'
import { AppError } from '../errors.ts'
import type { AdminUser } from '../protocol/admin.ts'
import type { Services } from '../services.ts'
import { byOf } from './caller.ts'

type PersonChange = Parameters<Services['people']['change']>[1]

/** @throws AppError `last_admin`; `conflict` when the person changed meanwhile */
export async function changePerson(
  c: Context<AppEnv>,
  person: AdminUser,
  wanted: PersonChange,
): Promise<AdminUser> {
  const { people } = c.var.services
  const outcome = isSo(person, wanted) ? 'changed' : await people.change(person, wanted, byOf(c))
  if (outcome === 'last_admin')
    throw new AppError('last_admin', 'This is the last admin here: make somebody else one first.')
  const changed = outcome === 'stale' ? null : await people.find(person.id)
  if (!changed) throw new AppError('conflict', 'This person was just changed by somebody else. Look again.')
  return changed
}

/** Whether there is nothing to write: a repeat, whose consequences are seen to all the same. */
function isSo(person: AdminUser, { role, plan, suspended }: PersonChange): boolean {
  return (
    (role === undefined || role === person.role) &&
    (plan === undefined || plan === person.plan) &&
    (suspended === undefined || (suspended === null) === (person.suspended === null))
  )
}
