/**
 * The page's icons: strokes in the colour of the text, drawn here so that nothing is loaded. They are decoration; the
 * button around one carries the name.
 */
interface IconProps {
  readonly size?: number
}

const icon = (path: string) =>
  function Icon({ size = 18 }: IconProps) {
    return (
      <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        <path d={path} />
      </svg>
    )
  }

export const PlusIcon = icon('M12 5v14M5 12h14')
export const MenuIcon = icon('M4 7h16M4 12h16M4 17h10')
export const PencilIcon = icon('M4 20l1-4L16.5 4.5a2.1 2.1 0 0 1 3 3L8 19l-4 1zM14.5 6.5l3 3')
export const TrashIcon = icon('M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5')
export const CopyIcon = icon('M9 9h10v11H9zM5 15V4h10')
export const CheckIcon = icon('M5 12.5l4.5 4.5L19 7.5')
export const ArrowUpIcon = icon('M12 19V5M6 11l6-6 6 6')
export const ArrowDownIcon = icon('M12 5v14M6 13l6 6 6-6')
export const RetryIcon = icon('M4 12a8 8 0 1 0 2.6-5.9M4 4v4.5h4.5')
export const CloseIcon = icon('M6 6l12 12M18 6L6 18')
export const AlertIcon = icon('M12 4L2.8 20h18.4zM12 10v4.5M12 17.2v.1')
export const SunIcon = icon(
  'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
)
export const MoonIcon = icon('M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z')
export const SystemIcon = icon('M3 5h18v11H3zM9 20h6M12 16v4')

export const UserIcon = icon('M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20a7.5 7.5 0 0 1 15 0')
export const PeopleIcon = icon(
  'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5a6.5 6.5 0 0 1 13 0M16 4.8a3.5 3.5 0 0 1 0 6.4M18 13.6a6.5 6.5 0 0 1 3.5 5.9',
)
export const ShareIcon = icon('M12 14V3.5M8 7l4-3.5L16 7M6 11H4.5v9.5h15V11H18')
export const EyeIcon = icon(
  'M2 12s3.6-6.5 10-6.5S22 12 22 12s-3.6 6.5-10 6.5S2 12 2 12zM12 9.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z',
)
export const EyeOffIcon = icon(
  'M3 3l18 18M9.9 5.7A9.8 9.8 0 0 1 12 5.5c6.4 0 10 6.5 10 6.5a17 17 0 0 1-3 3.7M6.3 7.6A16 16 0 0 0 2 12s3.6 6.5 10 6.5a10 10 0 0 0 4.3-1M9.9 10a2.8 2.8 0 0 0 4 4',
)

export function StopIcon({ size = 18 }: IconProps) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <rect x="6.5" y="6.5" width="11" height="11" rx="2" fill="currentColor" />
    </svg>
  )
}

export function Logo({ size = 28 }: IconProps) {
  return (
    <svg class="logo" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M11 3h10a8 8 0 0 1 8 8v2a8 8 0 0 1-8 8h-1.5l-6 5.6c-.6.6-1.5.1-1.5-.7V21h-1a8 8 0 0 1-8-8v-2a8 8 0 0 1 8-8z" />
      <circle cx="10.5" cy="12" r="2" />
      <circle cx="16" cy="12" r="2" />
      <circle cx="21.5" cy="12" r="2" />
    </svg>
  )
}
