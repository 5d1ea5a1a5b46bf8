/**
 * Light, dark, or as the system says: what was chosen is remembered, and applied before the first paint by
 * `theme-boot.ts`.
 */
const STORE_KEY = 'parley.theme'

export type Theme = 'system' | 'light' | 'dark'

export function readTheme(): Theme {
  try {
    const stored = localStorage.getItem(STORE_KEY)
    return stored === 'light' || stored === 'dark' ? stored : 'system'
  } catch {
    return 'system'
  }
}

export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}

export function chooseTheme(theme: Theme): void {
  applyTheme(theme)
  try {
    if (theme === 'system') localStorage.removeItem(STORE_KEY)
    else localStorage.setItem(STORE_KEY, theme)
  } catch {
    // Storage is denied: the choice lasts as long as the page.
  }
}
