import type { Check, Member } from '../api/types.ts'
import { type MemberState, memberState } from './agents.ts'
import { statusOf } from './health.ts'
import type { Status } from '../api/types.ts'

/** Something that changed while the page was open. */
export type Change =
  | { kind: 'check'; at: number; name: string; where: string; node: string; service: string; from?: Status; to: Status }
  | { kind: 'member'; at: number; name: string; from?: MemberState; to?: MemberState }
  | { kind: 'leader'; at: number; to: string }
  | { kind: 'service'; at: number; name: string; gone: boolean }

/** So many changes are kept, the newest first. */
export const mostChanges = 200

const checkKey = (c: Check) => `${c.Node}\n${c.CheckID}`

/** What is different between two lists of the checks that do not pass. */
export function checkChanges(before: readonly Check[], after: readonly Check[], at: number): Change[] {
  const old = new Map(before.map((c) => [checkKey(c), c]))
  const changes: Change[] = []
  const change = (c: Check, to: Status, from?: Status) => changes.push({
    kind: 'check', at, name: c.Name || c.CheckID, where: c.ServiceName ? `${c.ServiceName} (${c.Node})` : c.Node, node: c.Node, service: c.ServiceName, from, to,
  })
  for (const c of after) {
    const was = old.get(checkKey(c))
    old.delete(checkKey(c))
    if (!was) change(c, statusOf(c))
    else if (statusOf(was) !== statusOf(c)) change(c, statusOf(c), statusOf(was))
  }
  for (const c of old.values()) change(c, 'passing', statusOf(c))
  return changes
}

/** What is different between two lists of members. */
export function memberChanges(before: readonly Member[], after: readonly Member[], at: number): Change[] {
  const old = new Map(before.map((m) => [m.Name, memberState(m)]))
  const changes: Change[] = []
  for (const m of after) {
    const from = old.get(m.Name)
    const to = memberState(m)
    old.delete(m.Name)
    if (from !== to) changes.push({ kind: 'member', at, name: m.Name, from, to })
  }
  for (const [name, from] of old) changes.push({ kind: 'member', at, name, from })
  return changes
}

/** What is different between two lists of names of services. */
export function serviceChanges(before: readonly string[], after: readonly string[], at: number): Change[] {
  const old = new Set(before)
  const now = new Set(after)
  const change = (name: string, gone: boolean): Change => ({ kind: 'service', at, name, gone })
  return [...before.filter((n) => !now.has(n)).map((n) => change(n, true)), ...after.filter((n) => !old.has(n)).map((n) => change(n, false))]
}
