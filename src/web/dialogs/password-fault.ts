/**
 * What is wrong with a password, said at its field: before it is sent, by the same rule as the server's, and after, when
 * it is not the right one. That it is one of the most used ones, only the server knows.
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

/**
 * @param code `wrong_password` where the email is not in question
 * @throws ParleyError that names the field when the password was wrong
 */
export async function wrongAt<T>(
  field: string,
  code: 'invalid_credentials' | 'wrong_password',
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    const { code: was, status, message } = ParleyError.from(thrown)
    if (was !== 'invalid_credentials') throw thrown
    throw new ParleyError({ code, detail: message, field, status, retryable: false, cause: thrown })
  }
}
