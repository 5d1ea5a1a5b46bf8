/**
 * What is written about the API is true of it: the README names every route, and nothing that is none. So a route that
 * nobody knows of cannot be added.
 */
import { describe, expect, test } from 'vitest'
import readme from '../../README.md?raw'
import { app } from '../../src/app.ts'

const routes = new Set(
  app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
)

/** `GET`, `POST /api/a`, `DELETE /api/b` → each method with the path that follows it. */
function routesNamed(cell: string): string[] {
  const named: string[] = []
  let methods: string[] = []
  for (const [, method = '', path] of cell.matchAll(/`(GET|POST|PATCH|DELETE)(?: (\/api\/[^`?]*)[^`]*)?`/g)) {
    methods.push(method)
    if (path === undefined) continue
    named.push(...methods.map((each) => `${each} ${path}`))
    methods = []
  }
  return named
}

describe('the README', () => {
  const named = new Set(
    [...readme.matchAll(/^\| (`(?:GET|POST|PATCH|DELETE).*?) \|/gm)].flatMap(([, cell = '']) =>
      routesNamed(cell),
    ),
  )

  test.each([...routes])('names %s', (route) => {
    expect([...named]).toContain(route)
  })

  test('names no route that is not there', () => {
    expect([...named].filter((route) => !routes.has(route))).toEqual([])
  })
})
