import type { Answer } from '../api/client.ts'

/** How a question is followed. Times are in milliseconds. */
export interface FollowOptions<T> {
  /** Asks: at once with index 0, else when the state has moved past the index. */
  ask: (index: number, signal: AbortSignal) => Promise<Answer<T>>
  /** Called with each answer that may have changed, and its index. */
  onData: (data: T, index: number) => void
  /** Called with each failure, and when the next try comes. */
  onError: (error: unknown, retryIn: number) => void
  signal: AbortSignal
  /** Waits; ends early when the page has reason to try at once. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** The index may jump anywhere, as that of events does. */
  hashed?: boolean
  /** For endpoints that do not block: asked again after so long. */
  every?: number
  random?: () => number
  now?: () => number
}

/** Between two answers at least. */
const shortestGap = 100
/** A long answer costs the agent and the page much: a second between two for so many characters. */
const charactersPerSecond = 1_000_000

const firstRetry = 500
const lastRetry = 15_000

/**
 * The index to ask with next. An index that goes back means that the state was
 * restored or is another one: start anew. 0 would not block, so it counts as 1.
 */
export function nextIndex(asked: number, answered: number, hashed = false): number {
  if (hashed) return answered
  if (answered < asked) return 0
  return Math.max(1, answered)
}

/** How long to wait after the n-th failure in a row: doubling, with jitter. */
export function retryAfter(failures: number, random = Math.random): number {
  const most = Math.min(lastRetry, firstRetry * 2 ** Math.min(failures - 1, 10))
  return Math.round(most * (0.75 + random() / 4))
}

/** How long after asking the next question may begin: a busy cluster keeps neither the page nor the agent busy. */
export function gapAfter(size: number): number {
  return Math.max(shortestGap, Math.round((size / charactersPerSecond) * 1_000))
}

/**
 * Follows a question until the signal: asks, hands the answer on, asks again
 * with its index. Answers with the index that is known already are not handed
 * on, so that nothing is drawn anew for nothing.
 */
export async function follow<T>(options: FollowOptions<T>): Promise<void> {
  const { signal, sleep, now = Date.now } = options
  let index = 0
  let failures = 0
  while (!signal.aborted) {
    const began = now()
    try {
      const answer = await options.ask(index, signal)
      if (signal.aborted) return
      failures = 0
      const news = index === 0 || answer.index === 0 || answer.index !== index
      if (news) options.onData(answer.data, answer.index)
      if (options.every !== undefined || answer.index === 0) {
        await sleep(options.every ?? 5_000, signal)
        continue
      }
      index = nextIndex(index, answer.index, options.hashed)
      const rest = gapAfter(answer.size) - (now() - began)
      if (rest > 0) await sleep(rest, signal)
    } catch (error) {
      if (signal.aborted) return
      index = 0
      const wait = retryAfter(++failures, options.random)
      options.onError(error, wait)
      await sleep(wait, signal)
    }
  }
}
