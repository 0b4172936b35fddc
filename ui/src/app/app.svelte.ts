import { Client } from '../api/client.ts'
import type { Self } from '../api/types.ts'
import { Connection } from '../live/connection.svelte.ts'
import { Live, type Question } from '../live/live.svelte.ts'
import { Pace } from '../live/pace.ts'
import { router } from './router.svelte.ts'
import { token } from './token.svelte.ts'

/** What the whole page shares: the client, the agent, how it is. */
class App {
  readonly pace = new Pace()
  readonly connection = new Connection(this.pace)
  /** The agent that serves the page; undefined until it has answered. */
  self = $state.raw<Self | undefined>()
  datacenters = $state.raw<string[]>([])

  /** Asks the datacenter that is shown. */
  readonly client = new Client({
    token: () => token.value,
    datacenter: () => this.elsewhere,
    onOutcome: (trouble) => this.connection.note(trouble),
  })
  /** Asks the agent about itself. */
  readonly agent = new Client({
    token: () => token.value,
    datacenter: () => '',
    onOutcome: (trouble) => this.connection.note(trouble),
  })

  get localDatacenter(): string {
    return this.self?.Config.Datacenter ?? ''
  }

  /** The datacenter as requests name it: '' for the agent's own. */
  get elsewhere(): string {
    const dc = router.route.dc
    return dc === this.localDatacenter ? '' : dc
  }

  /** Does this agent run the node? Then its own endpoints can be used. */
  runs(node: string): boolean {
    return this.elsewhere === '' && this.self?.Config.NodeName === node
  }
}

export const app = new App()

/** An answer that a component shows; see useLive. */
export interface View<T> {
  readonly data: T | undefined
  readonly error: unknown
  readonly at: number
  readonly index: number
}

/**
 * Follows a question as long as the component lives, anew whenever it, the
 * datacenter or the token changes. Called while a component is made.
 */
export function useLive<T>(question: () => Question | undefined, onData?: (data: T, index: number) => void, client: Client = app.client): View<T> {
  let live = $state.raw<Live<T> | undefined>()
  const asked = $derived(JSON.stringify(question() ?? null))
  const who = $derived(`${client === app.client ? router.route.dc : ''} ${token.value}`)
  $effect(() => {
    void who
    const q = JSON.parse(asked) as Question | null
    if (!q) {
      live = undefined
      return
    }
    const started = new Live<T>(client, app.pace, q, onData, () => app.connection.condition === 'no-leader').start()
    live = started
    return () => started.stop()
  })
  return {
    get data() { return live?.data },
    get error() { return live?.error },
    get at() { return live?.at ?? 0 },
    get index() { return live?.index ?? 0 },
  }
}
