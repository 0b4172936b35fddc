import { expect, test } from 'vitest'
import type { Check, NodeDump } from '../api/types.ts'
import { checkCounts, worst } from './health.ts'
import { nodeViews } from './nodes.ts'
import { windowOf } from './windowing.ts'

const check = (Status: string, CheckID = 'c'): Check => ({
  Node: 'n', CheckID, Name: CheckID, Status, Notes: '', Output: '', ServiceID: '', ServiceName: '', ServiceTags: [], CreateIndex: 1, ModifyIndex: 1,
})

test('the worst check decides, maintenance above all', () => {
  expect(worst([])).toBe('passing')
  expect(worst(null)).toBe('passing')
  expect(worst([check('passing'), check('warning')])).toBe('warning')
  expect(worst([check('critical'), check('warning')])).toBe('critical')
  expect(worst([check('critical'), check('critical', '_service_maintenance:web')])).toBe('maintenance')
  expect(worst([check('critical', '_node_maintenance')])).toBe('maintenance')
  expect(worst([check('unheard of')])).toBe('critical')
  expect(checkCounts([check('passing'), check('critical'), check('critical', '_node_maintenance')])).toEqual({ passing: 1, warning: 0, critical: 1, maintenance: 1 })
})

test('only the rows in sight are drawn', () => {
  expect(windowOf(1000, 50, 0, 500)).toEqual({ from: 0, to: 18 })
  expect(windowOf(1000, 50, 25_000, 500)).toEqual({ from: 492, to: 518 })
  expect(windowOf(1000, 50, 1e9, 500)).toEqual({ from: 999, to: 1000 })
  expect(windowOf(0, 50, 0, 500)).toEqual({ from: 0, to: 0 })
  expect(windowOf(3, 50, -40, 500)).toEqual({ from: 0, to: 3 })
})

const node = (Node: string, ...Checks: Check[]): NodeDump => ({ ID: '', Node, Address: '', TaggedAddresses: null, Meta: null, Services: [], Checks: Checks.map((c) => ({ ...c, Node })) })
const shown = (nodes: NodeDump[], index: number, failing?: Check[], at = 0) =>
  nodeViews({ data: nodes, index }, failing && { data: failing, index: at }).map((n) => `${n.Node} ${n.status} ${(n.Checks ?? []).map((c) => `${c.CheckID}=${c.Status}`)}`)

test('nodes: what needs attention first, then by name', () => {
  expect(shown([node('n10'), node('n9'), node('n11', check('warning')), node('n12', check('critical'))], 5)).toEqual(['n12 critical c=critical', 'n11 warning c=warning', 'n9 passing ', 'n10 passing '])
})

test('nodes: a newer list of what does not pass says how checks are, an older one does not', () => {
  const nodes = [node('a', check('passing', 'x'), check('critical', 'y')), node('b')]
  const failing = [{ ...check('warning', 'x'), Node: 'a' }, { ...check('critical', 'z'), Node: 'b' }, { ...check('critical', 'z'), Node: 'unknown' }]
  expect(shown(nodes, 5, failing, 6)).toEqual(['b critical z=critical', 'a warning x=warning,y=passing'])
  expect(shown(nodes, 5, failing, 5)).toEqual(['a critical x=passing,y=critical', 'b passing '])
  expect(shown(nodes, 5, undefined)).toEqual(['a critical x=passing,y=critical', 'b passing '])
})
