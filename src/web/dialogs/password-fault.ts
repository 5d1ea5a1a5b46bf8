/**
 * What can be said of a password before it is sent: the same rule as the server's, in the words of the page. That it is
 * one of the most used ones, only the server knows.
 */
import { ParleyError } from '../../client/index.ts'
import { MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, newPassword } from '../../protocol/accounts.ts'

/** @throws ParleyError that names the field, as the server would */
export function passwordFault(field: string, password: string): void {
  if (newPassword.safeParse(password).success) return
  const detail =
    password.length > MAX_PASSWORD_CHARS
      ? `A password has at most ${MAX_PASSWORD_CHARS} characters.`
      : `A password has at least ${MIN_PASSWORD_CHARS} characters.`
  throw new ParleyError({ code: 'validation_failed', detail, field, retryable: false })
}
