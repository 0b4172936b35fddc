import { expect, test } from 'vitest'
import { encodeBase64, encodeText } from '../lib/bytes.ts'
import { Draft, readable } from './draft.svelte.ts'

const pair = (value: Uint8Array, Flags: number | string = 0) => ({ Key: 'k', Value: encodeBase64(value), Flags, LockIndex: 0, CreateIndex: 1, ModifyIndex: 7 })

test('a text is edited as a text, and is changed only when its bytes are', () => {
  const d = new Draft()
  d.start(pair(encodeText('{"a": 1}')), 'app/x')
  expect([d.mode, d.language, d.changed]).toEqual(['text', 'json', false])
  d.text = '{"a": 2}'
  expect(d.changed).toBe(true)
  d.text = '{"a": 1}'
  expect(d.changed).toBe(false)
  d.flags = '42'
  expect(d.changed).toBe(true)
  d.flags = 'x'
  expect(d.good).toBe(false)
})

test('bytes that are no text are edited as hex, and survive', () => {
  const bytes = Uint8Array.of(0, 1, 255, 13, 10)
  const d = new Draft()
  d.start(pair(bytes), 'k')
  expect([d.mode, d.text, d.changed]).toEqual(['hex', '00 01 ff 0d 0a', false])
  expect(d.show('text')).toBe(false)
  expect(d.show('base64')).toBe(true)
  expect(d.bytes).toEqual(bytes)
  d.text = '!'
  expect([d.good, d.show('hex')]).toEqual([false, false])
})

test('flags of 64 bits are not changed by looking at them', () => {
  const d = new Draft()
  d.start(pair(encodeText('x'), '18446744073709551615'), 'k')
  expect([d.flags, d.changed]).toEqual(['18446744073709551615', false])
})

test('after a conflict what was written is kept', () => {
  const d = new Draft()
  d.start(pair(encodeText('one')), 'k')
  d.text = 'mine'
  d.rebase({ ...pair(encodeText('theirs')), ModifyIndex: 9 })
  expect([d.text, d.base?.ModifyIndex, d.changed]).toEqual(['mine', 9, true])
})

test('values are compared as they are read', () => {
  expect(readable(encodeText('a'), encodeText('b'))).toEqual(['a', 'b'])
  expect(readable(encodeText('a'), Uint8Array.of(0))).toEqual(['61', '00'])
})
