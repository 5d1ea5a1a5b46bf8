/**
 * Tells zod not to compile its checks with `new Function`, which a strict CSP forbids and reports. It has to run before
 * the first schema is made, so it is the first import of `index.ts`.
 */
import * as z from 'zod'

z.config({ jitless: true })
