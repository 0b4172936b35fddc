import type { ApiError } from '../api/errors.ts'
import type { Pace } from './pace.ts'

export type Condition = 'starting' | 'ok' | 'no-leader' | 'unreachable'

/** How the agent was when it was last asked; what the banner at the top says. */
export class Connection {
  condition = $state<Condition>('starting')
  /** When the agent last gave a good answer, in milliseconds since 1970. */
  lastGood = $state(0)
  /** When the trouble began. */
  since = $state(0)

  constructor(private readonly pace: Pace) {}

  /** Counts the outcome of a request. */
  note(trouble?: ApiError): void {
    if (!trouble) return this.turn('ok')
    if (trouble.trouble === 'unreachable' || trouble.trouble === 'no-leader') return this.turn(trouble.trouble)
  }

  /**
   * Asks for the leader until the signal, often while something is wrong. A
   * request that needs no leader being answered does not mean that there is one.
   */
  async watch(leader: (signal: AbortSignal) => Promise<string>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.confirm((await leader(signal)) ? 'ok' : 'no-leader')
      } catch {
        // the client has told already
      }
      await this.pace.sleep(this.condition === 'ok' ? 5_000 : 1_000, signal)
    }
  }

  get troubled(): boolean {
    return this.condition === 'no-leader' || this.condition === 'unreachable'
  }

  private turn(to: 'ok' | 'no-leader' | 'unreachable'): void {
    // Only the question for the leader ends a time without one, and begins one that is known to have one.
    if (to === 'ok' && this.condition !== 'ok') return
    this.confirm(to)
  }

  private confirm(to: 'ok' | 'no-leader' | 'unreachable'): void {
    if (to === 'ok') this.lastGood = Date.now()
    if (this.condition === to) return
    this.condition = to
    this.since = Date.now()
    this.pace.nudge() // whoever waits looks at once: the leader's question, or everything that failed
  }
}
