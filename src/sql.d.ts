/**
 * SQL files and word lists are bundled as text: the rule is in wrangler.toml.
 * Here TypeScript is told so.
 */
declare module '*.txt' {
  const text: string
  export default text
}

declare module '*.sql' {
  const text: string
  export default text
}
