/**
 * How a call leaves the conversation's object: an expected failure as a value, because a thrown error loses its class on the
 * way to the Worker. What is unexpected is thrown on.
 */
import { AppError, type Result } from '../errors.ts'

export async function settled<T>(run: () => T | Promise<T>): Promise<Result<T>> {
  try {
    return { ok: true, value: await run() }
  } catch (error) {
    if (error instanceof AppError) return { ok: false, error: error.toShape() }
    throw error
  }
}
