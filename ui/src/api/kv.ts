import { type Client, keyPath } from './client.ts'
import type { KvPair, Session } from './types.ts'
import { part } from './client.ts'
import type { Entry } from '../lib/kvfile.ts'
import { transactions } from '../lib/kvfile.ts'

/** Reads one key; null if there is none. */
export async function readKey(client: Client, key: string): Promise<KvPair | null> {
  const { data } = await client.get<KvPair[] | null>(`/v1/kv/${keyPath(key)}`, { orNothing: true, lossless: true })
  return data?.[0] ?? null
}

/** Writes a key if it is still as it was at the index, 0: if there is none. False: it is not. */
export async function writeKey(client: Client, key: string, value: Uint8Array, flags: string, index: number): Promise<boolean> {
  return (await client.change('PUT', `/v1/kv/${keyPath(key)}`, value, { query: { flags, cas: String(index) } })).trim() === 'true'
}

/** Deletes a key if it is still as it was at the index. False: it is not. */
export async function deleteKey(client: Client, key: string, index: number): Promise<boolean> {
  return (await client.change('DELETE', `/v1/kv/${keyPath(key)}`, undefined, { query: { cas: String(index) } })).trim() === 'true'
}

export async function keysBelow(client: Client, prefix: string): Promise<string[]> {
  const { data } = await client.get<string[] | null>(`/v1/kv/${keyPath(prefix)}`, { query: { keys: true }, orNothing: true })
  return data ?? []
}

/** What is directly in a folder: keys and folders. */
export async function listFolder(client: Client, folder: string): Promise<string[]> {
  const { data } = await client.get<string[] | null>(`/v1/kv/${keyPath(folder)}`, { query: { keys: true, separator: '/' }, orNothing: true })
  return data ?? []
}

export async function pairsBelow(client: Client, prefix: string): Promise<KvPair[]> {
  const { data } = await client.get<KvPair[] | null>(`/v1/kv/${keyPath(prefix)}`, { query: { recurse: true }, orNothing: true, lossless: true })
  return data ?? []
}

export async function deleteBelow(client: Client, prefix: string): Promise<void> {
  await client.change('DELETE', `/v1/kv/${keyPath(prefix)}`, undefined, { query: { recurse: true } })
}

/** Writes entries, some at a time; tells how many are written. */
export async function writeEntries(client: Client, entries: readonly Entry[], onProgress: (written: number) => void): Promise<void> {
  let written = 0
  for (const t of transactions(entries)) {
    await client.change('PUT', '/v1/txn', t.body)
    onProgress((written += t.count))
  }
}

export async function readSession(client: Client, id: string): Promise<Session | undefined> {
  const { data } = await client.get<Session[] | null>(`/v1/session/info/${part(id)}`)
  return data?.[0]
}
