import { expect, test } from 'vitest'
import type { Check, Member } from '../api/types.ts'
import { agentState, curlPut, memberState, shellWord } from './agents.ts'
import { checkChanges, memberChanges, serviceChanges } from './journal.ts'
import { distancesFrom, formatMs, logScale, median, roundTrip } from './rtt.ts'

const coord = (x: number, more: object = {}) => ({ Vec: [x, 0], Error: 0, Adjustment: 0, Height: 0.001, ...more })

test('round-trip times from coordinates', () => {
  expect(roundTrip(coord(0), coord(0.003))).toBeCloseTo(5)
  expect(roundTrip(coord(0, { Adjustment: -0.002 }), coord(0.003))).toBeCloseTo(3)
  expect(roundTrip(coord(0, { Adjustment: -1 }), coord(0.003))).toBeCloseTo(5) // would be below 0
  expect(roundTrip(coord(0), { ...coord(0), Vec: [1] })).toBeUndefined()
  const all = [{ Node: 'a', Coord: coord(0) }, { Node: 'b', Coord: coord(0.009) }, { Node: 'c', Coord: coord(0.002) }]
  expect(distancesFrom('a', all).map((d) => d.node)).toEqual(['c', 'b'])
  expect(median(distancesFrom('a', all))).toBeCloseTo(7.5)
  expect(distancesFrom('x', all)).toEqual([])
})

test('times as they are read', () => {
  expect([0.0001, 0.25, 3.14159, 42.42, 250.4].map(formatMs)).toEqual(['1 µs', '250 µs', '3.14 ms', '42.4 ms', '250 ms'])
  expect(logScale(1, 100)(10)).toBeCloseTo(0.5)
  expect(logScale(5, 5)(5)).toBe(0.5)
})

const check = (id: string, status: string, service = ''): Check => ({
  Node: 'n', CheckID: id, Name: id, Status: status, Notes: '', Output: '', ServiceID: service, ServiceName: service, ServiceTags: [], CreateIndex: 1, ModifyIndex: 1,
})

test('what changed among the checks that do not pass', () => {
  const changes = checkChanges([check('a', 'warning'), check('b', 'critical', 'web'), check('c', 'critical')], [check('a', 'critical'), check('c', 'critical'), check('d', 'warning')], 5)
  expect(changes.map((c) => c.kind === 'check' && [c.name, c.where, c.from, c.to])).toEqual([
    ['a', 'n', 'warning', 'critical'],
    ['d', 'n', undefined, 'warning'],
    ['b', 'web (n)', 'critical', 'passing'],
  ])
})

test('what changed among the members', () => {
  const member = (Name: string, Status: number): Member => ({ Name, Addr: '', Port: 0, Tags: {}, Status })
  expect(memberChanges([member('a', 1), member('b', 1), member('c', 1)], [member('a', 1), member('b', 4), member('d', 1)], 5)).toEqual([
    { kind: 'member', at: 5, name: 'b', from: 'alive', to: 'failed' },
    { kind: 'member', at: 5, name: 'd', from: undefined, to: 'alive' },
    { kind: 'member', at: 5, name: 'c', from: 'alive' },
  ])
  expect([1, 2, 3, 4, 9].map((Status) => memberState({ Status }))).toEqual(['alive', 'leaving', 'left', 'failed', 'failed'])
})

test('whether an agent runs on a node', () => {
  expect(agentState([check('serfHealth', 'passing')])).toBe('alive')
  expect(agentState([check('serfHealth', 'critical')])).toBe('failed')
  expect(agentState([check('x', 'critical')])).toBe('external')
})

test('calls survive the shell', () => {
  expect(curlPut("/v1/x/it's")).toBe(`curl --request PUT 'http://127.0.0.1:8500/v1/x/it'\\''s'`)
  expect(shellWord('web-1.a')).toBe('web-1.a')
  expect(shellWord('a b$')).toBe("'a b$'")
})

test('services that came and went', () => {
  expect(serviceChanges(['a', 'b'], ['b', 'c'], 5)).toEqual([{ kind: 'service', at: 5, name: 'a', gone: true }, { kind: 'service', at: 5, name: 'c', gone: false }])
  expect(serviceChanges(['a'], ['a'], 5)).toEqual([])
})
