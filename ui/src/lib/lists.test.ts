import { expect, test } from 'vitest'
import type { Check } from '../api/types.ts'
import { checkCounts, worst } from './health.ts'
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
