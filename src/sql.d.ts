/**
 * SQL files are bundled as text: the rule is in wrangler.toml.
 * Here TypeScript is told so.
 */
declare module '*.sql' {
  const text: string
  export default text
}
