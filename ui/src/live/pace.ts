/**
 * Pauses that can be cut short: when the agent is back, everything that waits
 * for its next try begins at once.
 */
export class Pace {
  private waiting = new Set<() => void>()

  /** Waits for the time, the signal, or a nudge. */
  sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done, { once: true })
      this.waiting.add(done)
      if (signal.aborted) done()
    })

  /** Ends all pauses. */
  nudge(): void {
    for (const done of [...this.waiting]) done()
  }
}
