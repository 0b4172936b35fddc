import type { Client } from '../api/client.ts'
import type { KvPair } from '../api/types.ts'

/** So many keys are looked through without being asked to. */
const unasked = 2_000

/**
 * Which keys are locked by which session. The API has no such question: all
 * keys are looked through, unasked only where they are few.
 */
export class Locks {
  bySession = $state.raw<Map<string, string[]> | undefined>()
  /** There are more keys than are looked through unasked. */
  tooMany = $state(false)

  async look(client: Client, asked = false): Promise<void> {
    try {
      if (!asked) {
        const { data } = await client.get<string[] | null>('/v1/kv/', { query: { keys: true }, orNothing: true })
        this.tooMany = (data?.length ?? 0) > unasked
        if (this.tooMany) return
      }
      const { data } = await client.get<KvPair[] | null>('/v1/kv/', { query: { recurse: true }, orNothing: true, lossless: true })
      const found = new Map<string, string[]>()
      for (const pair of data ?? []) {
        if (pair.Session) found.set(pair.Session, [...(found.get(pair.Session) ?? []), pair.Key])
      }
      this.bySession = found
      this.tooMany = false
    } catch {
      this.bySession = undefined // it is said elsewhere that the agent cannot be asked
    }
  }
}
