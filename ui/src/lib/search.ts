/**
 * The search of all lists: words that must all match, `field:value` to look in
 * one field, `-` before a term to exclude, `*` for anything, quotes around
 * spaces. Upper and lower case are alike.
 *
 *   status:critical tag:v1 node:web-* -"blue green"
 */

export interface Term {
  /** '' looks everywhere. */
  field: string
  value: string
  not: boolean
}

/** The texts of a thing by field. Words without a field look in those of `any`. */
export type Fields = Record<string, readonly string[]>

/** Splits a search into its terms. A field that the list does not know is a word with a colon in it. */
export function parseSearch(text: string, fields: readonly string[]): Term[] {
  const terms: Term[] = []
  for (const m of text.matchAll(/(-?)(?:([\p{L}\p{N}_]+):(?:"([^"]*)"?|(\S*))|"([^"]*)"?|(\S+))/gu)) {
    const [, minus = '', name = '', ...values] = m
    const value = (values.find((v) => v !== undefined) ?? '').toLowerCase()
    const field = name.toLowerCase()
    const known = field === '' || fields.includes(field)
    const term = { field: known ? field : '', value: known ? value : `${field}:${value}`, not: minus === '-' }
    if (term.value !== '') terms.push(term)
  }
  return terms
}

/** A test for things by their fields. Fields are read only where a term needs them. */
export function matcher(text: string, fields: readonly string[]): (read: (field: string) => readonly string[]) => boolean {
  const terms = parseSearch(text, fields).map((t) => ({ ...t, test: tester(t) }))
  return (read) => terms.every((t) => read(t.field || 'any').some(t.test) !== t.not)
}

/** A word is looked for anywhere in a text, a value of a field from its beginning to its end. */
function tester(t: Term): (text: string) => boolean {
  if (!t.value.includes('*')) {
    if (t.field === '') return (s) => s.toLowerCase().includes(t.value)
    return (s) => s.toLowerCase() === t.value
  }
  const body = t.value.split('*').map(escape).join('.*')
  const pattern = new RegExp(t.field === '' ? body : `^${body}$`, 's')
  return (s) => pattern.test(s.toLowerCase())
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
