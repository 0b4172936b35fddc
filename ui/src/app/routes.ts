/** A place in the page. The addresses are those that people have bookmarked. */
export type Place =
  | { page: 'overview' }
  | { page: 'services' }
  | { page: 'service'; name: string; instance?: { node: string; id: string } }
  | { page: 'nodes' }
  | { page: 'node'; name: string; tab?: string }
  | { page: 'checks' }
  | { page: 'kv'; key: string; open: boolean }
  | { page: 'sessions' }
  | { page: 'events' }
  | { page: 'intentions' }
  | { page: 'tokens' }
  | { page: 'lost' }

export interface Route {
  /** '' until the agent has told which datacenter is its own. */
  dc: string
  place: Place
  search: URLSearchParams
}

const simple = ['overview', 'services', 'nodes', 'checks', 'sessions', 'events', 'intentions', 'tokens'] as const

/** Reads an address below the page's own path, without its first slash. */
export function parseRoute(path: string, search = ''): Route {
  const raw = path.split('/')
  const [dc = '', page = '', ...rest] = raw.map(decode)
  const params = new URLSearchParams(search)
  const at = (place: Place): Route => ({ dc, place, search: params })
  if (page === '' && rest.length === 0) return at({ page: 'overview' })
  const [first, second, third, fourth] = rest
  if (page === 'kv') return at(kvPlace(raw.slice(2)))
  if (page === 'services' && first) {
    const instance = second === 'instances' && third && fourth ? { node: third, id: fourth } : undefined
    return at({ page: 'service', name: first, instance })
  }
  if (page === 'nodes' && first) return at({ page: 'node', name: first, tab: second || undefined })
  const known = simple.find((name) => name === page)
  return known && !first ? at({ page: known }) : at({ page: 'lost' })
}

/** kv/a/b/ is a folder, kv/a/b/edit the key a/b. */
function kvPlace(raw: string[]): Place {
  if (raw.at(-1) === 'edit' && raw.length > 1) {
    return { page: 'kv', key: raw.slice(0, -1).map(decode).join('/'), open: true }
  }
  const folder = raw.map(decode).join('/').replace(/^\/+/, '')
  return { page: 'kv', key: folder && !folder.endsWith('/') ? folder + '/' : folder, open: false }
}

/** The address of a place below the page's own path. */
export function formatRoute(dc: string, place: Place, search?: Record<string, string>): string {
  const parts: string[] = [dc]
  switch (place.page) {
    case 'service':
      parts.push('services', place.name)
      if (place.instance) parts.push('instances', place.instance.node, place.instance.id)
      break
    case 'node':
      parts.push('nodes', place.name)
      if (place.tab) parts.push(place.tab)
      break
    case 'kv':
      parts.push('kv', ...place.key.split('/'))
      if (place.open) parts.push('edit')
      break
    case 'lost':
      break
    default:
      parts.push(place.page)
  }
  const query = new URLSearchParams(Object.entries(search ?? {}).filter(([, v]) => v !== '')).toString()
  return parts.map(encodeURIComponent).join('/') + (query ? `?${query}` : '')
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
