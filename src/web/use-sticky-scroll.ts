/**
 * Scrolling of a conversation: stays at the end while the end grows, stays put once the reader has scrolled up, and does
 * not jump when older messages are put in above.
 */
import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks'

/** As close to the end as this counts as being there. */
const NEAR_END_PX = 48

export interface StickyScroll {
  /** For the box that scrolls, and for what it holds. */
  readonly box: { current: HTMLDivElement | null }
  readonly content: { current: HTMLDivElement | null }
  /** The end is out of sight because the reader went away from it. */
  readonly isAway: boolean
  readonly toEnd: () => void
}

/** @param firstId the id of the oldest element, which carries it as `data-message` */
export function useStickyScroll(firstId: string | undefined): StickyScroll {
  const box = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const sticks = useRef(true)
  const lastTop = useRef(0)
  const first = useRef<{ element: HTMLElement; top: number } | null>(null)
  const [isAway, setAway] = useState(false)

  const toEnd = useCallback(() => {
    sticks.current = true
    setAway(false)
    box.current?.scrollTo({ top: box.current.scrollHeight })
  }, [])

  useLayoutEffect(() => {
    const element = box.current
    if (!element || !content.current) return
    const onScroll = () => {
      const top = element.scrollTop
      const isNear = element.scrollHeight - top - element.clientHeight <= NEAR_END_PX
      // Only going up lets go: while the end grows, it runs ahead of the scrolling for a moment.
      if (isNear) sticks.current = true
      else if (top < lastTop.current - 1) sticks.current = false
      lastTop.current = top
      setAway(!sticks.current)
    }
    const follow = new ResizeObserver(() => {
      if (sticks.current) element.scrollTop = element.scrollHeight
    })
    follow.observe(content.current)
    follow.observe(element)
    element.addEventListener('scroll', onScroll, { passive: true })
    return () => {
      follow.disconnect()
      element.removeEventListener('scroll', onScroll)
    }
  }, [])

  useLayoutEffect(() => {
    const before = first.current
    if (before?.element.isConnected && box.current && !sticks.current) {
      box.current.scrollTop += before.element.offsetTop - before.top
    }
    const element = content.current?.querySelector<HTMLElement>('[data-message]')
    first.current = element ? { element, top: element.offsetTop } : null
  }, [firstId])

  return { box, content, isAway, toEnd }
}
