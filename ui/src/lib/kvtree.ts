/** A line of the tree of keys. */
export interface TreeRow {
  /** The whole key; folders end with a slash. */
  path: string
  /** Its last part. */
  name: string
  depth: number
  folder: boolean
  open: boolean
}

/** What is directly in a folder, as the API lists it: whole keys, folders with their slash. */
export type Listings = ReadonlyMap<string, readonly string[]>

/** Folders first, then by name; numbers by their value. */
export function sortEntries(entries: readonly string[]): string[] {
  return [...entries].sort((a, b) => Number(b.endsWith('/')) - Number(a.endsWith('/')) || a.localeCompare(b, 'en', { numeric: true }))
}

/** The lines that are seen: the entries of the root and of every open folder below it. */
export function flattenTree(listings: Listings, open: ReadonlySet<string>, folder = '', depth = 0): TreeRow[] {
  const rows: TreeRow[] = []
  for (const path of sortEntries(listings.get(folder) ?? [])) {
    if (path === folder) continue // the folder's own key
    const isFolder = path.endsWith('/')
    const isOpen = isFolder && open.has(path)
    rows.push({ path, name: lastPart(path), depth, folder: isFolder, open: isOpen })
    if (isOpen) rows.push(...flattenTree(listings, open, path, depth + 1))
  }
  return rows
}

/** The last part of a key, with the slash of a folder. */
export function lastPart(path: string): string {
  const cut = path.replace(/\/+$/, '').lastIndexOf('/')
  return path.slice(cut + 1)
}

/** The folder that a key or a folder is in; '' is the root. */
export function folderOf(path: string): string {
  const cut = path.replace(/\/+$/, '').lastIndexOf('/')
  return path.slice(0, cut + 1)
}

/** All folders on the way to a key, the outermost first. */
export function parents(path: string): string[] {
  const list: string[] = []
  for (let at = path.indexOf('/'); at >= 0 && at < path.length - 1; at = path.indexOf('/', at + 1)) list.push(path.slice(0, at + 1))
  return list
}

/** Can the key be named in an address? Slashes in a row and dots are folded together on the way. */
export function goodKey(key: string): boolean {
  return key !== '' && !key.startsWith('/') && !key.endsWith('/') && !key.split('/').some((p) => p === '' || p === '.' || p === '..')
}
