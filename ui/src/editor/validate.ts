import { jsonLanguage } from '@codemirror/lang-json'
import type { Parser } from '@lezer/common'
import { hclLanguage } from 'codemirror-lang-hcl'
import { parseDocument } from 'yaml'
import type { Language } from './language.ts'

/** What is wrong with a text, and where, in characters. */
export interface Problem {
  from: number
  to: number
  line: number
  message: string
}

/** Checks a text; undefined: nothing is wrong. Only the first problem is told. */
export function validate(text: string, language: Language): Problem | undefined {
  if (text.trim() === '' || language === 'plain') return undefined
  switch (language) {
    case 'json':
      try {
        JSON.parse(text)
        return undefined
      } catch (error) {
        const message = (error instanceof Error ? error.message : String(error)).replace(/ in JSON at position.*| at position.*|\(line.*$/s, '')
        return problem(text, firstError(jsonLanguage.parser, text) ?? text.length, message)
      }
    case 'yaml': {
      const [error] = parseDocument(text, { prettyErrors: false }).errors
      return error && problem(text, error.pos[0], error.message.split('\n')[0] ?? '')
    }
    case 'hcl': {
      const at = firstError(hclLanguage.parser, text)
      return at === undefined ? undefined : problem(text, at, 'syntax error')
    }
  }
}

/** Where a grammar first does not fit. */
function firstError(parser: Parser, text: string): number | undefined {
  let at: number | undefined
  parser.parse(text).iterate({
    enter: (node) => {
      if (node.type.isError && at === undefined) at = node.from
      return at === undefined
    },
  })
  return at
}

function problem(text: string, at: number, message: string): Problem {
  const from = Math.min(at, text.length)
  const line = text.slice(0, from).split('\n').length
  const end = text.indexOf('\n', from)
  return { from, to: end < 0 ? text.length : end, line, message }
}
