import { ApiError } from '../api/errors.ts'
import type { Client } from '../api/client.ts'

export type Feature = 'intentions' | 'tokens'

const questions: Record<Feature, string> = { intentions: '/v1/connect/intentions', tokens: '/v1/acl/tokens' }

/** What not every agent offers; it has a place in the navigation only where it exists. */
class Features {
  found = $state.raw<Feature[]>([])

  /** Asks for each. One that is there but forbidden exists. */
  async look(client: Client, signal: AbortSignal): Promise<void> {
    const found: Feature[] = []
    for (const name of Object.keys(questions) as Feature[]) {
      try {
        await client.get(questions[name], { signal })
        found.push(name)
      } catch (error) {
        if (error instanceof ApiError && error.trouble === 'denied') found.push(name)
      }
    }
    if (!signal.aborted) this.found = found
  }
}

export const features = new Features()
