import { app, useLive } from './app.svelte.ts'
import type { Check } from '../api/types.ts'

/** What the whole page watches all the time: the checks that do not pass. */
class Watching {
  failing = $state.raw<Check[] | undefined>()
}

export const watching = new Watching()

/** Begins to watch; called while the page is made. */
export function startWatching(): void {
  useLive<Check[]>(
    () => (app.datacenters.length ? { path: '/v1/health/state/any', query: { filter: 'Status != "passing"' } } : undefined),
    (data) => (watching.failing = data ?? []),
  )
}
