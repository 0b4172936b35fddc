import { expect, test } from 'vitest'
import { formatRoute, parseRoute, type Place } from './routes.ts'

const places: [Place, string][] = [
  [{ page: 'overview' }, 'dc1/overview'],
  [{ page: 'services' }, 'dc1/services'],
  [{ page: 'service', name: 'a/b c', instance: undefined }, 'dc1/services/a%2Fb%20c'],
  [{ page: 'service', name: 'web', instance: { node: 'n1', id: 'web:1/x' } }, 'dc1/services/web/instances/n1/web%3A1%2Fx'],
  [{ page: 'node', name: 'n1', tab: undefined }, 'dc1/nodes/n1'],
  [{ page: 'node', name: 'n1', tab: 'services' }, 'dc1/nodes/n1/services'],
  [{ page: 'kv', key: '', open: false }, 'dc1/kv/'],
  [{ page: 'kv', key: 'a/b/', open: false }, 'dc1/kv/a/b/'],
  [{ page: 'kv', key: 'a/b c%', open: true }, 'dc1/kv/a/b%20c%25/edit'],
  [{ page: 'kv', key: 'edit', open: true }, 'dc1/kv/edit/edit'],
  [{ page: 'events' }, 'dc1/events'],
]

test.each(places)('%j is %s, both ways', (place, path) => {
  expect(formatRoute('dc1', place)).toBe(path)
  expect(parseRoute(path).place).toEqual(place)
})

test('addresses by hand', () => {
  expect(parseRoute('').place).toEqual({ page: 'overview' })
  expect(parseRoute('').dc).toBe('')
  expect(parseRoute('dc1/kv').place).toEqual({ page: 'kv', key: '', open: false })
  expect(parseRoute('dc1/kv/a').place).toEqual({ page: 'kv', key: 'a/', open: false })
  expect(parseRoute('dc1/nothing').place).toEqual({ page: 'lost' })
  expect(parseRoute('dc1/events/more').place).toEqual({ page: 'lost' })
  expect(parseRoute('dc1/services/%E0%A4').place).toMatchObject({ page: 'service', name: '%E0%A4' })
  expect(formatRoute('dc1', { page: 'services' }, { q: 'a b', x: '' })).toBe('dc1/services?q=a+b')
})
