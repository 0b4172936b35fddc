/** Which rows of a long list are drawn. */
export interface Window {
  from: number
  /** One past the last. */
  to: number
}

/**
 * The rows in sight and a few more on each side, for rows of one height. All
 * lengths in pixels.
 */
export function windowOf(count: number, rowHeight: number, scrollTop: number, height: number, extra = 8): Window {
  if (count === 0 || rowHeight <= 0) return { from: 0, to: 0 }
  const first = Math.floor(Math.max(0, scrollTop) / rowHeight)
  const last = Math.ceil((Math.max(0, scrollTop) + height) / rowHeight)
  const from = Math.max(0, Math.min(first - extra, count - 1))
  return { from, to: Math.min(count, Math.max(from + 1, last + extra)) }
}
