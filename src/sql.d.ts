/** SQL files are bundled as text (the rule is in wrangler.toml). */
declare module '*.sql' {
  const text: string
  export default text
}
