import { expect, test } from 'vitest'
import { decodeBase64, encodeBase64, encodeText, fromHex, textOf, toHex, wrapBase64 } from './bytes.ts'
import { commonPrefix, compare, formatExport, parseFlags, parseImport, transactions } from './kvfile.ts'
import { flattenTree, folderOf, goodKey, lastPart, parents } from './kvtree.ts'

const pair = (Key: string, Value: string | null = null, Flags: number | string = 0) => ({ Key, Value, Flags, LockIndex: 0, CreateIndex: 1, ModifyIndex: 1 })

test('the tree shows open folders only, folders first', () => {
  const listings = new Map([['', ['b', 'a10/', 'a9/', 'z/']], ['a9/', ['a9/', 'a9/x', 'a9/sub/']], ['a9/sub/', ['a9/sub/k']]])
  const rows = (open: string[]) => flattenTree(listings, new Set(open)).map((r) => '  '.repeat(r.depth) + r.name)
  expect(rows([])).toEqual(['a9/', 'a10/', 'z/', 'b'])
  expect(rows(['a9/', 'a9/sub/'])).toEqual(['a9/', '  sub/', '    k', '  x', 'a10/', 'z/', 'b'])
  expect(rows(['a9/sub/'])).toEqual(['a9/', 'a10/', 'z/', 'b']) // within a closed one
  expect(rows(['z/'])).toEqual(['a9/', 'a10/', 'z/', 'b']) // not loaded yet
})

test('parts of keys', () => {
  expect(['a/b/c', 'a/b/', 'a'].map(lastPart)).toEqual(['c', 'b/', 'a'])
  expect(['a/b/c', 'a/b/', 'a'].map(folderOf)).toEqual(['a/b/', 'a/', ''])
  expect(parents('a/b/c')).toEqual(['a/', 'a/b/'])
  expect(parents('a/b/')).toEqual(['a/'])
  expect(['a', 'a/b c', 'ü'].every(goodKey)).toBe(true)
  expect(['', '/a', 'a/', 'a//b', 'a/../b', '.'].some(goodKey)).toBe(false)
})

test('bytes in every form and back', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
  expect(fromHex(toHex(bytes))).toEqual(bytes)
  expect(decodeBase64(wrapBase64(bytes))).toEqual(bytes)
  expect(textOf(bytes)).toBeUndefined()
  expect(textOf(encodeText('grüße\n\t世界'))).toBe('grüße\n\t世界')
  expect(textOf(encodeText('a\r\nb'))).toBeUndefined() // an editor would lose the \r
  expect(textOf(Uint8Array.of(0xff))).toBeUndefined()
  expect([fromHex('0'), fromHex('0g'), decodeBase64('?')]).toEqual([undefined, undefined, undefined])
  expect(encodeBase64(new Uint8Array(100_000)).length).toBe(133_336)
})

test('exports are those of the command', () => {
  expect(formatExport([pair('foo/bar', 'aGVsbG8='), pair('a<b>&"', null, '18446744073709551615')])).toBe(
    '[\n\t{\n\t\t"key": "foo/bar",\n\t\t"flags": 0,\n\t\t"value": "aGVsbG8="\n\t},\n' +
      '\t{\n\t\t"key": "a\\u003cb\\u003e\\u0026\\"",\n\t\t"flags": 18446744073709551615,\n\t\t"value": ""\n\t}\n]\n',
  )
  expect(formatExport([])).toBe('[]\n')
})

test('what was exported is imported, 64 bits of flags included', () => {
  const pairs = [pair('a', 'eA==', '18446744073709551615'), pair('b/c', '', 7)]
  expect(parseImport(formatExport(pairs))).toEqual([{ key: 'a', flags: '18446744073709551615', value: 'eA==' }, { key: 'b/c', flags: '7', value: '' }])
})

test.each([
  ['{', /^JSON/],
  ['{}', /list of keys/],
  ['[1]', /entry 1/],
  ['[{"key":"a"},{"key":""}]', /entry 2: key/],
  ['[{"key":"a","value":"?"}]', /entry 1: value/],
  ['[{"key":"a","flags":-1}]', /entry 1: flags/],
  ['[{"key":"a","flags":1.5}]', /entry 1: flags/],
  ['[{"key":"a","flags":99999999999999999999}]', /entry 1: flags/],
])('refuses %s', (content, message) => expect(() => parseImport(content)).toThrow(message))

test('what an import changes', () => {
  const e = (key: string, value = '', flags = '0') => ({ key, value, flags })
  const { created, changed, same, write } = compare([e('a', 'eA=='), e('b'), e('c', '', '1'), e('d', 'eQ=='), e('d', 'eA==')], [pair('b'), pair('c'), pair('d', 'eA==')])
  expect([created, changed, same]).toEqual([1, 1, 2])
  expect(write.map((w) => w.key)).toEqual(['a', 'c'])
})

test('writes go in transactions that every agent takes', () => {
  const many = Array.from({ length: 130 }, (_, i) => ({ key: `k${i}`, value: '', flags: '18446744073709551615' }))
  const list = transactions(many)
  expect(list.map((t) => t.count)).toEqual([64, 64, 2])
  expect(list[0]?.body).toContain('"Flags":18446744073709551615}')
  const large = Array.from({ length: 3 }, (_, i) => ({ key: `k${i}`, value: 'A'.repeat(250_000), flags: '0' }))
  expect(transactions(large).map((t) => t.count)).toEqual([1, 1, 1])
})

test('flags', () => {
  expect(['0', ' 42 ', '18446744073709551615', '18446744073709551616', '-1', '1e3', ''].map(parseFlags)).toEqual(['0', '42', '18446744073709551615', undefined, undefined, undefined, undefined])
  expect(commonPrefix(['a/b', 'a/c', 'a/'])).toBe('a/')
  expect(commonPrefix([])).toBe('')
})
