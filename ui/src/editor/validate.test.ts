import { expect, test } from 'vitest'
import { guessLanguage, type Language } from './language.ts'
import { validate } from './validate.ts'

test.each<[Language, string]>([
  ['json', '{"a": [1, 2.5e3, null, "x\\n"]}'],
  ['json', ''],
  ['yaml', 'a: 1\nb:\n  - x\n  - {y: z}\n'],
  ['hcl', 'service "web" {\n  port = 80\n  tags = ["a", "b"]\n  check {\n    http = "http://x/"\n  }\n}\n# done\n'],
  ['plain', '{'],
])('%s is valid: %j', (language, text) => expect(validate(text, language)).toBeUndefined())

test.each<[Language, string, number]>([
  ['json', '{\n  "a": 1,\n  b: 2\n}', 3],
  ['json', '[1, 2', 1],
  ['yaml', 'a: 1\nb: [1, 2\nc: 3\n', 3],
  ['yaml', 'a: 1\na: 2\n', 2],
  ['hcl', 'service "web" {\n  port = = 80\n}\n', 2],
])('%s is not valid: %j, line %d', (language, text, line) => expect(validate(text, language)?.line).toBe(line))

test('guesses', () => {
  expect(guessLanguage('a.json', '')).toBe('json')
  expect(guessLanguage('a.YML', '')).toBe('yaml')
  expect(guessLanguage('a.nomad', '')).toBe('hcl')
  expect(guessLanguage('a', ' {"x": 1}')).toBe('json')
  expect(guessLanguage('a', '{x')).toBe('plain')
  expect(guessLanguage('a', 'a: b\nc: d')).toBe('yaml')
  expect(guessLanguage('a', 'hello')).toBe('plain')
})
