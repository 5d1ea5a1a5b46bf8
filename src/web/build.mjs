/**
 * Builds the page into `.build/page`: run by `wrangler dev` and `wrangler deploy` before anything else. Deterministic,
 * quiet when all is well, and needs nothing but esbuild. Files that did not change are not touched, so that a rebuild
 * does not reload what is fine, and two builds at once do not disturb each other.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = dirname(fileURLToPath(import.meta.url))
const root = join(source, '../..')
const target = join(root, '.build/page')

/** Only the page's own files, and nothing inline: what an answer smuggles in can neither run nor load nor be sent. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dompurify',
].join('; ')

const HEADERS = `/*
  Content-Security-Policy: ${CONTENT_SECURITY_POLICY}
  X-Content-Type-Options: nosniff
  X-Frame-Options: DENY
  Referrer-Policy: no-referrer
  Permissions-Policy: camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Resource-Policy: same-origin

/
  Cache-Control: no-cache

/c/*
  Cache-Control: no-cache

/invite
  Cache-Control: no-cache
  X-Robots-Tag: noindex

/s
  Cache-Control: no-cache
  X-Robots-Tag: noindex

/admin
  Cache-Control: no-cache

/assets/*
  Cache-Control: public, max-age=31536000, immutable
`

/**
 * Every zod schema carries the code that turns it into a JSON Schema, which none of the page's is ever asked for. It is a
 * sixth of zod. A new zod that needs more of it fails the build with the name of what is missing. Its sentences about what
 * is wrong with a value are left out, too: the page says such things in its own words, or in the server's. So is what it
 * keeps against values that contain themselves, which JSON cannot; and the code that writes code, which the page's policy
 * forbids.
 */
const leanZod = {
  name: 'lean-zod',
  setup(plugin) {
    plugin.onLoad(
      { filter: /[\\/]zod[\\/]v4[\\/]core[\\/](to-json-schema|json-schema-[a-z]+)\.js$/ },
      () => ({
        contents: `const unavailable = () => { throw new Error('JSON Schema is left out of the page') }
        export { unavailable as toJSONSchema, unavailable as createToJSONSchemaMethod, unavailable as JSONSchemaGenerator }
        export const createStandardJSONSchemaMethod = () => unavailable`,
      }),
    )
    // With parts that are loaded later, modules do not run in the order of their imports: `no-eval.ts` may come too late.
    plugin.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]core[\\/]core\.js$/ }, async ({ path }) => ({
      contents: `${await readFile(path, 'utf8')}\nglobalConfig.jitless = true`,
    }))
    plugin.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]core[\\/]schemas\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const contents = text.replace(
        /export const \$ZodObjectJIT = [^]*?\n\}\);\n/,
        'export const $ZodObjectJIT = $ZodObject\n',
      )
      if (contents === text) throw new Error('zod writes its parsers elsewhere now')
      return { contents }
    })
    plugin.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]core[\\/]memoizer\.js$/ }, () => ({
      contents: `const unavailable = () => { throw new Error('Compiling is left out of the page') }
        export const memoizer = () => undefined
        export { unavailable as isBackEdge, unavailable as isRecursiveSchema }`,
    }))
    plugin.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]en\.js$/ }, () => ({
      contents: "export default () => ({ localeError: () => 'Invalid input' })",
    }))
  },
}

const options = {
  absWorkingDir: root,
  outdir: target,
  entryNames: 'assets/[name].[hash]',
  chunkNames: 'assets/[name].[hash]',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2023',
  charset: 'utf8',
  legalComments: 'none',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  write: false,
  logLevel: 'error',
  plugins: [leanZod],
}

/** @returns the files of the page, by path below the target */
async function bundle() {
  const builds = await Promise.all([
    build({
      ...options,
      // What `import()` names is loaded when it is first wanted.
      splitting: true,
      metafile: true,
      entryPoints: [
        { in: 'src/web/main.tsx', out: 'app' },
        { in: 'src/web/styles/app.css', out: 'app' },
      ],
    }),
    // Not a module, because modules run after the first paint: so it shares nothing with the others.
    build({ ...options, format: 'iife', entryPoints: [{ in: 'src/web/theme-boot.ts', out: 'theme' }] }),
  ])
  const outputs = builds.flatMap(({ outputFiles }) => outputFiles)
  const files = new Map(outputs.map((file) => [relative(target, file.path), Buffer.from(file.contents)]))

  const icon = await readFile(join(source, 'favicon.svg'))
  const iconName = `assets/favicon.${createHash('sha256').update(icon).digest('hex').slice(0, 8)}.svg`
  files.set(iconName, icon)

  const named = (start, end) => [...files.keys()].find((name) => name.startsWith(start) && name.endsWith(end))
  const page = (await readFile(join(source, 'index.html'), 'utf8'))
    .replace('%STYLE%', `/${named('assets/app.', '.css')}`)
    .replace('%SCRIPT%', `/${named('assets/app.', '.js')}`)
    .replace('%PRELOAD%', preloads(builds[0].metafile.outputs))
    .replace('%THEME%', `/${named('assets/theme.', '.js')}`)
    .replace('%ICON%', `/${iconName}`)
  files.set('index.html', Buffer.from(page))
  files.set('_headers', Buffer.from(HEADERS))
  return files
}

/** The parts that the first script imports, so that the browser asks for all of them at once instead of one by one. */
function preloads(outputs) {
  const wanted = new Set()
  const follow = (name) => {
    for (const { path, kind } of outputs[name].imports) {
      if (kind !== 'import-statement' || wanted.has(path)) continue
      wanted.add(path)
      follow(path)
    }
  }
  follow(Object.keys(outputs).find((name) => outputs[name].entryPoint === 'src/web/main.tsx'))
  const hrefs = [...wanted].map((name) => `/${relative(target, join(root, name))}`)
  return hrefs.map((href) => `<link rel="modulepreload" href="${href}" />`).join('\n    ')
}

/** Writes what differs (by renaming, so that nobody reads half a file), then takes away what is of an older build. */
async function publish(files) {
  await mkdir(join(target, 'assets'), { recursive: true })
  for (const [name, contents] of files) {
    const path = join(target, name)
    const current = await readFile(path).catch(() => null)
    if (current?.equals(contents)) continue
    const partial = `${path}.${process.pid}.partial`
    await writeFile(partial, contents)
    await rename(partial, path)
  }
  for (const name of await readdir(join(target, 'assets'))) {
    const isOld = !files.has(`assets/${name}`) && !name.endsWith('.partial')
    if (isOld) await rm(join(target, 'assets', name), { force: true })
  }
}

await publish(await bundle())
