import type { Check, NodeDump, Status } from '../api/types.ts'
import { bySeverity, nodeStatus } from './health.ts'

/** A node with its health, worked out once. */
export interface NodeView extends NodeDump {
  status: Status
}

/** What was answered, and the index of the state that it shows. */
export interface At<T> {
  data: readonly T[]
  index: number
}

/**
 * All nodes, what needs attention first. The list of everything on them is long
 * and asked for less often than the short one of the checks that do not pass:
 * where that is newer, it says how the checks are.
 */
export function nodeViews(nodes: At<NodeDump>, failing?: At<Check>): NodeView[] {
  const newer = failing !== undefined && failing.index > nodes.index
  const byNode = new Map<string, Map<string, Check>>()
  for (const c of newer ? failing.data : []) {
    const list = byNode.get(c.Node)
    if (list) list.set(c.CheckID, c)
    else byNode.set(c.Node, new Map([[c.CheckID, c]]))
  }
  return nodes.data
    .map((n) => (newer ? { ...n, Checks: brought(n.Checks ?? [], byNode.get(n.Node)) } : n))
    .map((n) => ({ ...n, status: nodeStatus(n) }))
    .sort((a, b) => bySeverity(a.status, b.status) || byName.compare(a.Node, b.Node))
}

const byName = new Intl.Collator(undefined, { numeric: true })

/** Checks of a node, as the newer list of those that do not pass tells. */
function brought(checks: readonly Check[], failing?: ReadonlyMap<string, Check>): Check[] {
  const known = checks.map((c) => failing?.get(c.CheckID) ?? (c.Status === 'passing' ? c : { ...c, Status: 'passing' }))
  if (!failing) return known
  const ids = new Set(checks.map((c) => c.CheckID))
  return [...known, ...[...failing.values()].filter((c) => !ids.has(c.CheckID))]
}
