import { expect, test } from 'vitest'
import { joinServers, milliseconds, verdictOf } from './servers.ts'

test('durations of Go', () => {
  expect(['12.5ms', '1m2.5s', '0s', '500µs', '0', '', 'never'].map(milliseconds)).toEqual([12.5, 62_500, 0, 0.5, 0, 0, undefined])
  expect(milliseconds(2_500_000)).toBe(2.5)
  expect(milliseconds(null)).toBeUndefined()
  expect(milliseconds('42')).toBeUndefined() // without a unit nobody knows
})

const raft = [
  { ID: 'b', Node: 's2', Address: '10.0.0.2:8300', Leader: false, ProtocolVersion: '3', Voter: true },
  { ID: 'a', Node: 's1', Address: '10.0.0.1:8300', Leader: true, ProtocolVersion: '3', Voter: true },
]

test('servers with autopilot', () => {
  const p = (Name: string, more: object) => ({ ID: Name, Name, Address: '', NodeStatus: 'alive', Version: '1', LastContact: '12ms', LastTerm: 4, LastIndex: 90, Healthy: true, StableSince: '', Status: 'voter', ...more })
  const list = joinServers(raft, { Healthy: true, FailureTolerance: 0, Leader: 'a', Voters: [], Servers: { a: p('s1', {}), b: p('s2', { Healthy: false }) } })
  expect(list.map((s) => [s.name, s.leader, s.contact, s.term, s.applied, s.healthy])).toEqual([['s1', true, 0, 4, 90, true], ['s2', false, 12, 4, 90, false]])
})

test('servers without autopilot: what is not known is not shown', () => {
  const list = joinServers(raft, undefined, { name: 's1', raft: { term: '3', applied_index: '77' } })
  expect(list.map((s) => [s.name, s.term, s.applied, s.healthy])).toEqual([['s1', 3, 77, undefined], ['s2', undefined, undefined, undefined]])
})

test('one glance', () => {
  const well = { noLeader: false, failedAgents: 0, critical: 0, warning: 0, unhealthyServers: 0 }
  expect(verdictOf(well)).toEqual({ status: 'passing', reasons: [] })
  expect(verdictOf({ ...well, warning: 2 }).status).toBe('warning')
  expect(verdictOf({ ...well, warning: 2, noLeader: true })).toEqual({ status: 'critical', reasons: [{ why: 'noLeader' }, { why: 'warning', count: 2 }] })
})
