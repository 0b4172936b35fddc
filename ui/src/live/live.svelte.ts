import type { Answer, AskOptions, Client } from '../api/client.ts'
import { ApiError } from '../api/errors.ts'
import { follow } from './follow.ts'
import type { Pace } from './pace.ts'
import { shown } from './shown.ts'

/** What a live query asks. */
export interface Question {
  path: string
  query?: AskOptions['query']
  lossless?: boolean
  hashed?: boolean
  /** Does not block: asked again after so many milliseconds. */
  every?: number
  /** A 404 is an answer: nothing there. */
  orNothing?: boolean
}

/** Longest wait of a blocking query; the agent may add a sixteenth. */
const wait = 60

/**
 * The answer to a question, kept current while somebody looks. Keeps the last
 * answer when the agent cannot be asked.
 */
export class Live<T> {
  /** The latest answer; undefined before the first. */
  data = $state.raw<T | undefined>()
  /** Why the last try failed; undefined after one that did not. */
  error = $state.raw<unknown>()
  /** When the answer came, in milliseconds since 1970. */
  at = $state(0)
  /** The index of the state that the answer shows. */
  index = $state(0)

  private stopper = new AbortController()

  constructor(
    private readonly client: Client,
    private readonly pace: Pace,
    private readonly question: Question,
    private readonly onData?: (data: T, index: number) => void,
    /** Is it known that nobody leads? Servers hold questions for seconds then, before they give up. */
    private readonly leaderless: () => boolean = () => false,
  ) {}

  /** Begins to follow. The caller stops it. */
  start(): this {
    const { signal } = this.stopper
    void follow<T>({
      ask: (index, outer) => this.ask(index, outer),
      onData: (data, index) => {
        this.data = data
        this.index = index
        this.at = Date.now()
        this.error = undefined
        this.onData?.(data, index)
      },
      onError: (error) => (this.error = error),
      sleep: this.pace.sleep,
      every: this.question.every,
      hashed: this.question.hashed,
      signal,
    })
    return this
  }

  /** Ends following, for good. */
  stop(): void {
    this.stopper.abort()
  }

  private async ask(index: number, outer: AbortSignal): Promise<Answer<T>> {
    await shown(outer)
    if (this.data === undefined && this.leaderless()) return this.askStale(outer)
    const { path, query, lossless, every, orNothing } = this.question
    const hide = new AbortController()
    const onChange = () => document.hidden && hide.abort()
    document.addEventListener('visibilitychange', onChange)
    try {
      const blocking = every === undefined && index > 0
      const answer = await this.client.get<T>(path, {
        query: blocking ? { ...query, index, wait: `${wait}s` } : query,
        timeout: blocking ? wait * 1_100 + 10_000 : 15_000,
        signal: AbortSignal.any([outer, hide.signal]),
        lossless, orNothing,
      })
      this.error = undefined
      return answer
    } catch (error) {
      if (hide.signal.aborted && !outer.aborted) return this.ask(index, outer) // hidden meanwhile: go on when it is shown again
      if (this.data === undefined && error instanceof ApiError && error.trouble === 'no-leader') return this.askStale(outer)
      throw error
    } finally {
      document.removeEventListener('visibilitychange', onChange)
    }
  }

  /** While nobody leads: what the agent or one of its servers has, rather than nothing. Not followed. */
  private async askStale(signal: AbortSignal): Promise<Answer<T>> {
    const { path, query, lossless, orNothing } = this.question
    const answer = await this.client.get<T>(path, { query: { ...query, stale: true }, timeout: 15_000, signal, lossless, orNothing })
    // A server that was started without a leader has read nothing back yet: its emptiness is no news.
    if (answer.index === 1) throw new ApiError('no-leader', 0, '')
    return { ...answer, index: 0 }
  }
}
