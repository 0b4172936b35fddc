import type { KvPair } from '../api/types.ts'
import { parseLossless } from '../api/json.ts'
import { decodeBase64 } from './bytes.ts'

/** A key in a file of "muster kv export". */
export interface Entry {
  key: string
  flags: string
  /** Base64. */
  value: string
}

const maxFlags = 2n ** 64n - 1n

/** Flags as a text of digits; undefined if they are no whole number of 64 bits. */
export function parseFlags(text: string): string | undefined {
  if (!/^\d{1,20}$/.test(text.trim())) return undefined
  const n = BigInt(text.trim())
  return n <= maxFlags ? n.toString() : undefined
}

/** Pairs in the format of "muster kv export", to the byte. */
export function formatExport(pairs: readonly KvPair[]): string {
  if (pairs.length === 0) return '[]\n'
  const entries = pairs.map((p) => `\t{\n\t\t"key": ${text(p.Key)},\n\t\t"flags": ${p.Flags},\n\t\t"value": ${text(p.Value ?? '')}\n\t}`)
  return `[\n${entries.join(',\n')}\n]\n`
}

/** A text as Go writes it in JSON. */
function text(s: string): string {
  return JSON.stringify(s).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Reads a file of "muster kv export"; throws an Error that names the entry and the field. */
export function parseImport(content: string): Entry[] {
  let data: unknown
  try {
    data = parseLossless(content)
  } catch (error) {
    throw new Error(`JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!Array.isArray(data)) throw new Error('not a list of keys: expected [{"key", "flags", "value"}]')
  return data.map((item: unknown, i): Entry => {
    const at = (field: string, what: string) => new Error(`entry ${i + 1}: ${field}: ${what}`)
    if (typeof item !== 'object' || item === null) throw new Error(`entry ${i + 1}: expected {"key", "flags", "value"}`)
    const { key, flags = 0, value = '' } = item as Record<string, unknown>
    if (typeof key !== 'string' || key === '') throw at('key', 'expected a text')
    if (typeof value !== 'string' || decodeBase64(value) === undefined) throw at('value', 'expected Base64')
    const number = parseFlags(String(flags))
    if ((typeof flags !== 'number' && typeof flags !== 'string') || number === undefined) throw at('flags', 'expected a whole number from 0 to 2^64-1')
    return { key, flags: number, value: value.replace(/\s+/g, '') }
  })
}

export interface Comparison {
  created: number
  changed: number
  same: number
  /** Those that have to be written. */
  write: Entry[]
}

/** What writing the entries would change. The last of two entries for one key counts. */
export function compare(entries: readonly Entry[], stored: readonly KvPair[]): Comparison {
  const now = new Map(stored.map((p) => [p.Key, p]))
  const result: Comparison = { created: 0, changed: 0, same: 0, write: [] }
  for (const e of new Map(entries.map((e) => [e.key, e])).values()) {
    const p = now.get(e.key)
    if (p && (p.Value ?? '') === e.value && String(p.Flags) === e.flags) {
      result.same++
      continue
    }
    result[p ? 'changed' : 'created']++
    result.write.push(e)
  }
  return result
}

/** Bounds of a transaction, as every agent takes them. */
const maxOps = 64
const maxBytes = 300_000

/** Puts writes into transactions: bodies for /v1/txn, and how many keys each writes. */
export function transactions(entries: readonly Entry[]): { body: string; count: number }[] {
  const list: { body: string; count: number }[] = []
  let ops: string[] = []
  let bytes = 0
  const end = () => {
    if (ops.length) list.push({ body: `[${ops.join(',')}]`, count: ops.length })
    ops = []
    bytes = 0
  }
  for (const e of entries) {
    // Flags have 64 bits and are written as they are; JSON.stringify could not.
    const op = `{"KV":{"Verb":"set","Key":${JSON.stringify(e.key)},"Value":${JSON.stringify(e.value)},"Flags":${e.flags}}}`
    if (ops.length === maxOps || (ops.length > 0 && bytes + op.length > maxBytes)) end()
    ops.push(op)
    bytes += op.length
  }
  end()
  return list
}

/** The longest beginning that all keys share. */
export function commonPrefix(keys: readonly string[]): string {
  let prefix = keys[0] ?? ''
  for (const key of keys) {
    while (!key.startsWith(prefix)) prefix = prefix.slice(0, -1)
  }
  return prefix
}
