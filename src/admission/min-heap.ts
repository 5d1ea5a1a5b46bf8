/**
 * A binary heap: the least of many things, found at once, in logarithmic time per change. Things are not found again in it:
 * whoever changes or removes one leaves it there, and sees when it comes up that it does not count any more.
 */
export class MinHeap<T> {
  readonly #items: T[] = []
  readonly #keyOf: (item: T) => number

  /** @param keyOf does not change while the item is in the heap */
  constructor(keyOf: (item: T) => number) {
    this.#keyOf = keyOf
  }

  peek(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const items = this.#items
    const key = this.#keyOf(item)
    let at = items.push(item) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = items[above]
      if (parent === undefined || this.#keyOf(parent) <= key) break
      items[at] = parent
      at = above
    }
    items[at] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const least = items[0]
    const last = items.pop()
    if (items.length > 0 && last !== undefined) this.#sink(last)
    return least
  }

  /** From the top to where it belongs. */
  #sink(item: T): void {
    const items = this.#items
    const key = this.#keyOf(item)
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      let child = items[below]
      const right = items[below + 1]
      if (child === undefined) break
      if (right !== undefined && this.#keyOf(right) < this.#keyOf(child)) {
        child = right
        below++
      }
      if (this.#keyOf(child) >= key) break
      items[at] = child
      at = below
    }
    items[at] = item
  }
}
