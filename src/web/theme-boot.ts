/**
 * Runs before the first paint, as a file of its own because the page allows no inline script: without it, someone who
 * chose dark would see a white flash on every load.
 */
import { applyTheme, readTheme } from './theme.ts'

applyTheme(readTheme())
