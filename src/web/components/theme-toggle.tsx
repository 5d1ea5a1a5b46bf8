/**
 * Light, dark, or as the system says: three radio buttons, so that the keyboard and screen readers know them.
 * Keeping and applying the choice is `theme.ts`.
 */
import { useState } from 'preact/hooks'
import { chooseTheme, readTheme, type Theme } from '../theme.ts'
import { MoonIcon, SunIcon, SystemIcon } from './icons.tsx'

const CHOICES = [
  { theme: 'light', name: 'Light', Icon: SunIcon },
  { theme: 'system', name: 'As the system', Icon: SystemIcon },
  { theme: 'dark', name: 'Dark', Icon: MoonIcon },
] as const

export function ThemeToggle() {
  const [chosen, setChosen] = useState<Theme>(readTheme)
  return (
    <fieldset class="theme-toggle">
      <legend class="visually-hidden">Colours</legend>
      {CHOICES.map(({ theme, name, Icon }) => (
        <label key={theme} title={name}>
          <input
            type="radio"
            name="theme"
            value={theme}
            checked={chosen === theme}
            onChange={() => {
              chooseTheme(theme)
              setChosen(theme)
            }}
          />
          <Icon size={16} />
          <span class="visually-hidden">{name}</span>
        </label>
      ))}
    </fieldset>
  )
}
