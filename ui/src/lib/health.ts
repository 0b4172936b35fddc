import type { Check, Instance, NodeDump, ServiceSummary, Status } from '../api/types.ts'

/** From worst to best. */
export const statuses: Status[] = ['critical', 'warning', 'maintenance', 'passing']

const rank: Record<string, number> = { maintenance: 3, critical: 2, warning: 1, passing: 0 }

/** The checks that maintenance mode puts on a node or an instance. */
export function isMaintenance(check: Pick<Check, 'CheckID'>): boolean {
  return check.CheckID === '_node_maintenance' || check.CheckID.startsWith('_service_maintenance:')
}

export function statusOf(check: Check): Status {
  if (isMaintenance(check)) return 'maintenance'
  return check.Status === 'passing' || check.Status === 'warning' ? check.Status : 'critical'
}

/** The worst status of checks; nothing checked passes. Maintenance counts above all, as in the API. */
export function worst(checks: readonly Check[] | null | undefined): Status {
  let found: Status = 'passing'
  for (const c of checks ?? []) {
    const s = statusOf(c)
    if ((rank[s] ?? 0) > (rank[found] ?? 0)) found = s
  }
  return found
}

/** The status of a service, as the counts of its summary tell. */
export function summaryStatus(s: ServiceSummary): Status {
  if (s.ChecksCritical > 0) return 'critical'
  if (s.ChecksWarning > 0) return 'warning'
  return 'passing'
}

export interface Counts {
  passing: number
  warning: number
  critical: number
  maintenance: number
}

export function count(list: Iterable<Status>): Counts {
  const counts: Counts = { passing: 0, warning: 0, critical: 0, maintenance: 0 }
  for (const s of list) counts[s]++
  return counts
}

export function checkCounts(checks: readonly Check[] | null | undefined): Counts {
  return count((checks ?? []).map(statusOf))
}

export function instanceStatus(i: Instance): Status {
  return worst(i.Checks)
}

export function nodeStatus(n: NodeDump): Status {
  return worst(n.Checks)
}

const severity: Record<Status, number> = { critical: 0, maintenance: 1, warning: 2, passing: 3 }

/** Orders what needs attention first. */
export function bySeverity(a: Status, b: Status): number {
  return severity[a] - severity[b]
}
