import { app } from './app.svelte.ts'
import type { Self } from '../api/types.ts'
import { router } from './router.svelte.ts'
import { ApiError } from '../api/errors.ts'

/**
 * Learns who the agent is and which datacenters there are, then keeps asking
 * how it is. Returns what ends it.
 */
export function loadAgent(): () => void {
  const stopper = new AbortController()
  void learn(stopper.signal)
  void app.connection.watch(async (signal) => {
    const { data } = await app.client.get<string>('/v1/status/leader', { signal, timeout: 4_000 })
    return data
  }, stopper.signal)
  return () => stopper.abort()
}

async function learn(signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const [self, datacenters] = await Promise.all([
        app.agent.get<Self>('/v1/agent/self', { signal }).then((a) => a.data, lessAsPermitted),
        app.agent.get<string[]>('/v1/catalog/datacenters', { signal }),
      ])
      app.self = self
      app.datacenters = datacenters.data
      router.settle(self?.Config.Datacenter ?? datacenters.data[0] ?? 'dc1')
      return
    } catch {
      await app.pace.sleep(1_000, signal)
      if (signal.aborted) return
    }
  }
}

/** A token may be forbidden to ask who the agent is; the page goes on without knowing. */
function lessAsPermitted(error: unknown): undefined {
  if (error instanceof ApiError && error.trouble !== 'unreachable') return undefined
  throw error
}
