import { expect, test } from 'vitest'
import { matcher, parseSearch } from './search.ts'

const fields = ['name', 'status', 'tag', 'node']
const thing: Record<string, string[]> = { any: ['Web Front', 'v1'], name: ['Web Front'], status: ['critical'], tag: ['v1', 'blue green'], node: ['web-12'] }
const matches = (text: string) => matcher(text, fields)((field) => thing[field] ?? [])

test.each([
  ['', true],
  ['web', true],
  ['WEB front', true],
  ['web back', false],
  ['status:critical tag:v1 node:web-*', true],
  ['status:critical tag:v2', false],
  ['tag:v', false], // a whole value
  ['tag:v*', true],
  ['node:web-1?', false], // only the star is special
  ['-status:passing', true],
  ['-status:critical', false],
  ['tag:"blue green"', true],
  ['"web front"', true],
  ['"web  front"', false],
  ['-tag:v1 web', false],
  ['name:', true], // being typed
  ['"web', true], // being typed
  ['(web[', false],
  ['w*f', true],
  ['other:thing', false], // not a field of this list: a word
])('%j: %j', (text, expected) => expect(matches(text)).toBe(expected))

test('a field that the list does not know is part of a word', () => {
  expect(parseSearch('http://x a:b', ['a'])).toEqual([
    { field: '', value: 'http://x', not: false },
    { field: 'a', value: 'b', not: false },
  ])
})

test('only the fields that are asked for are read', () => {
  const read: string[] = []
  matcher('tag:v1', fields)((field) => (read.push(field), ['v1']))
  expect(read).toEqual(['tag'])
})
