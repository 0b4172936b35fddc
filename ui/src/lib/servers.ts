import type { AutopilotState, RaftServer, Status } from '../api/types.ts'

/** A server as the overview shows it; undefined is not known. */
export interface ServerView {
  id: string
  name: string
  address: string
  leader: boolean
  voter: boolean
  term?: number
  applied?: number
  /** Milliseconds since it heard the leader. */
  contact?: number
  healthy?: boolean
  version?: string
}

/** Joins what Raft, autopilot and the agent itself tell about the servers. */
export function joinServers(raft: readonly RaftServer[], pilot?: AutopilotState, own?: { name: string; raft: Record<string, string> }): ServerView[] {
  return raft.map((r): ServerView => {
    const p = pilot?.Servers?.[r.ID] ?? Object.values(pilot?.Servers ?? {}).find((s) => s.Name === r.Node)
    const mine = own?.name === r.Node ? own.raft : undefined
    return {
      id: r.ID, name: r.Node, address: r.Address, leader: r.Leader, voter: r.Voter,
      term: p?.LastTerm ?? number(mine?.term),
      applied: (mine && number(mine.applied_index)) ?? p?.LastIndex ?? r.LastIndex,
      contact: r.Leader ? 0 : (p && milliseconds(p.LastContact)) ?? milliseconds(mine?.last_contact),
      healthy: p?.Healthy, version: p?.Version,
    }
  }).sort((a, b) => Number(b.leader) - Number(a.leader) || a.name.localeCompare(b.name, undefined, { numeric: true }))
}

function number(text: string | undefined): number | undefined {
  const n = Number(text)
  return text === undefined || !Number.isFinite(n) ? undefined : n
}

const units: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds of a duration as Go writes it, or of nanoseconds as a number. */
export function milliseconds(duration: string | number | null | undefined): number | undefined {
  if (duration == null) return undefined
  if (typeof duration === 'number') return duration / 1e6
  if (/^-?\d+$/.test(duration)) return Number(duration) === 0 ? 0 : undefined
  let total = 0
  let rest = duration
  while (rest) {
    const m = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/.exec(rest)
    if (!m) return undefined
    total += Number(m[1]) * (units[m[2] ?? ''] ?? 0)
    rest = rest.slice(m[0].length)
  }
  return total
}

export type Reason = { why: 'noLeader' | 'servers' } | { why: 'failed' | 'critical' | 'warning'; count: number }

/** Is everything well? And if not, why not, the worst first. */
export function verdictOf(state: { noLeader: boolean; failedAgents: number; critical: number; warning: number; unhealthyServers: number }): { status: Exclude<Status, 'maintenance'>; reasons: Reason[] } {
  const reasons: Reason[] = []
  if (state.noLeader) reasons.push({ why: 'noLeader' })
  if (state.unhealthyServers > 0) reasons.push({ why: 'servers' })
  if (state.failedAgents > 0) reasons.push({ why: 'failed', count: state.failedAgents })
  if (state.critical > 0) reasons.push({ why: 'critical', count: state.critical })
  const broken = reasons.length > 0
  if (state.warning > 0) reasons.push({ why: 'warning', count: state.warning })
  return { status: broken ? 'critical' : reasons.length ? 'warning' : 'passing', reasons }
}
