import { untrack } from 'svelte'
import type { Check, Member } from '../api/types.ts'
import { type Change, checkChanges, memberChanges, mostChanges, serviceChanges } from '../lib/journal.ts'
import { app, useLive } from './app.svelte.ts'
import { features } from './features.svelte.ts'
import { router } from './router.svelte.ts'
import { token } from './token.svelte.ts'

/** What the whole page watches all the time, in the datacenter that is shown. */
class Watching {
  /** The checks that do not pass; undefined before the first answer. */
  failing = $state.raw<Check[] | undefined>()
  /** The index of the state that they show. */
  failingIndex = $state(0)
  /** Why they could not be asked for the last time. */
  failingError = $state.raw<unknown>()
  /** The agents of the agent's own datacenter. */
  members = $state.raw<Member[] | undefined>()
  /** The leader's address, "" without one. */
  private leader: string | undefined
  /** The names of the services. */
  private services: readonly string[] | undefined
  /** What changed since the page was opened, newest first. */
  changes = $state.raw<Change[]>([])
  since = $state(Date.now())

  /** Begins anew: another datacenter, or other eyes. */
  reset(): void {
    this.failing = this.members = this.leader = this.services = undefined
    this.changes = []
    this.since = Date.now()
  }

  sawChecks(list: Check[], index: number): void {
    this.add(this.failing ? checkChanges(this.failing, list, Date.now()) : [])
    this.failing = list
    this.failingIndex = index
  }

  sawMembers(list: Member[]): void {
    this.add(this.members ? memberChanges(this.members, list, Date.now()) : [])
    this.members = list
  }

  sawLeader(address: string): void {
    if (this.leader !== undefined && this.leader !== address) this.add([{ kind: 'leader', at: Date.now(), to: this.serverAt(address) }])
    this.leader = address
  }

  sawServices(names: string[]): void {
    this.add(this.services ? serviceChanges(this.services, names, Date.now()) : [])
    this.services = names
  }

  /** The name of the server with the address, or the address where none is known. */
  private serverAt(address: string): string {
    return this.members?.find((m) => addressOf(m) === address)?.Name ?? address
  }

  private add(changes: Change[]): void {
    if (changes.length) this.changes = [...changes.reverse(), ...this.changes].slice(0, mostChanges)
  }
}

/** Where a server listens for the others; IPv6 in brackets. */
function addressOf(m: Member): string {
  const host = m.Addr.includes(':') ? `[${m.Addr}]` : m.Addr
  return `${host}:${m.Tags.port}`
}

export const watching = new Watching()

/** Begins to watch; called while the page is made. */
export function startWatching(): void {
  const known = $derived(app.datacenters.length > 0)
  const who = $derived(`${router.route.dc} ${token.value}`)
  $effect.pre(() => {
    void who
    watching.reset()
  })
  const checks = useLive<Check[]>(
    () => (known ? { path: '/v1/health/state/any', query: { filter: 'Status != "passing"' } } : undefined),
    (data, index) => watching.sawChecks(data ?? [], index),
  )
  $effect.pre(() => {
    watching.failingError = checks.error
  })
  useLive<Record<string, string[]>>(
    () => (known ? { path: '/v1/catalog/services', every: 5_000 } : undefined),
    (data) => watching.sawServices(Object.keys(data ?? {})),
  )
  useLive<Member[]>(
    () => (known && app.elsewhere === '' ? { path: '/v1/agent/members', every: 5_000 } : undefined),
    (data) => watching.sawMembers(data ?? []),
    app.agent,
  )
  $effect(() => {
    void who
    if (!known) return
    const stopper = new AbortController()
    untrack(() => void features.look(app.client, stopper.signal))
    return () => stopper.abort()
  })
}
