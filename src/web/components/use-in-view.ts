/**
 * Calls back when an element comes near the visible part of its scrolling box: for reading on before the end is
 * reached (the box is the one with `data-scrolls`). It calls once each time the element appears; give the element a new key to be called again.
 */
import { useCallback, useRef } from 'preact/hooks'

const AHEAD = '400px'

/** @param onSeen must stay the same function between renders @returns a `ref` */
export function useInView(onSeen: () => void): (element: Element | null) => void {
  const observer = useRef<IntersectionObserver | null>(null)
  return useCallback(
    (element: Element | null) => {
      observer.current?.disconnect()
      if (!element) return
      observer.current = new IntersectionObserver(
        (entries) => {
          if (entries.some((entry) => entry.isIntersecting)) onSeen()
        },
        { root: element.closest('[data-scrolls]'), rootMargin: AHEAD },
      )
      observer.current.observe(element)
    },
    [onSeen],
  )
}
