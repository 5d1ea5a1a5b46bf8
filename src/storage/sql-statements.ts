/**
 * Splits a file of SQL into its statements, as `wrangler d1 migrations apply` does on its own way: a semicolon ends one,
 * except in a text, in a quoted name, in a comment, or between the BEGIN of a trigger and its END.
 *
 * Knows just enough SQL for that; whether a statement is right is for the database to say.
 */

/** One token: a comment, something quoted, a word, or any other single character. */
const TOKEN = /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|\w+|[\s\S]/g
const TRIGGER = /^CREATE\s+(?:TEMP\s+|TEMPORARY\s+)?TRIGGER\b/i

/** @returns the statements in order, without comments and without the semicolons that end them */
export function statementsOf(sql: string): string[] {
  const statements: string[] = []
  let statement = ''
  /** Words that wait for their END: the trigger's BEGIN, and each CASE. */
  let open = 0
  const finish = (): void => {
    const text = statement.trim()
    if (text !== '') statements.push(text)
    statement = ''
    open = 0
  }
  for (const [token] of sql.matchAll(TOKEN)) {
    if (token.startsWith('--') || token.startsWith('/*')) {
      // A comment separates words as a space does.
      statement += ' '
      continue
    }
    if (token === ';' && open === 0) {
      finish()
      continue
    }
    const word = token.toUpperCase()
    if (word === 'BEGIN' && open === 0 && TRIGGER.test(statement.trimStart())) open = 1
    else if (word === 'CASE' && open > 0) open++
    else if (word === 'END' && open > 0) open--
    statement += token
  }
  finish()
  return statements
}
