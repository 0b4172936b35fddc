import { ApiError } from '../api/errors.ts'
import type { Self } from '../api/types.ts'
import { shown } from '../live/shown.ts'
import { app } from './app.svelte.ts'
import { router } from './router.svelte.ts'
import { watching } from './watching.svelte.ts'

/** How often the page looks whether the agent or the datacenters are others, in milliseconds. */
const lookAgain = 30_000

/**
 * Learns who the agent is and which datacenters there are, and keeps asking how
 * it is. Returns what ends it.
 */
export function loadAgent(): () => void {
  const stopper = new AbortController()
  void learn(stopper.signal)
  void app.connection.watch(askLeader, stopper.signal)
  return () => stopper.abort()
}

async function askLeader(signal: AbortSignal): Promise<string> {
  await shown(signal)
  const { dc } = router.route
  const { data } = await app.client.get<string>('/v1/status/leader', { signal, timeout: 4_000 })
  if (dc === router.route.dc) watching.sawLeader(data)
  return data
}

/** Asks at the start, now and then, and as soon as the agent is back after a trouble. */
async function learn(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await shown(signal)
    let pause = lookAgain
    try {
      const [self, datacenters] = await Promise.all([
        app.agent.get<Self>('/v1/agent/self', { signal }).then((a) => a.data, lessAsPermitted),
        app.agent.get<string[]>('/v1/catalog/datacenters', { signal }),
      ])
      app.self = self
      app.datacenters = datacenters.data
      router.settle(self?.Config.Datacenter ?? datacenters.data[0] ?? 'dc1')
    } catch {
      pause = 1_000
    }
    await app.pace.sleep(pause, signal)
  }
}

/** A token may be forbidden to ask who the agent is; the page goes on without knowing. */
function lessAsPermitted(error: unknown): undefined {
  if (error instanceof ApiError && error.trouble !== 'unreachable') return undefined
  throw error
}
