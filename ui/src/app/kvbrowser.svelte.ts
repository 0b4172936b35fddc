import { keysBelow, listFolder } from '../api/kv.ts'
import { flattenTree, parents, type TreeRow } from '../lib/kvtree.ts'
import { app } from './app.svelte.ts'

/** The tree of keys: which folders are open, and what is in them. Open folders stay open while the page lives. */
class KvBrowser {
  private listings = $state.raw<ReadonlyMap<string, readonly string[]>>(new Map())
  private open = $state.raw<ReadonlySet<string>>(new Set())
  private dc = ''
  rows = $derived<TreeRow[]>(flattenTree(this.listings, this.open))
  /** All keys, while somebody searches. */
  all = $state.raw<string[] | undefined>()
  private searching = false
  private refreshing = false
  private again = false

  /** Begins anew in another datacenter. */
  enter(dc: string): void {
    if (this.dc === dc) return
    this.dc = dc
    this.listings = new Map()
    this.open = new Set()
    this.all = undefined
  }

  get known(): boolean {
    return this.listings.has('')
  }

  /** Is there any key at all? */
  get empty(): boolean {
    return this.listings.get('')?.length === 0
  }

  async toggle(folder: string): Promise<void> {
    const open = new Set(this.open)
    if (open.delete(folder)) this.open = open
    else await this.show(folder)
  }

  /** Opens a folder, and those that it is in. */
  async show(path: string): Promise<void> {
    const wanted = [...parents(path), ...(path.endsWith('/') ? [path] : [])]
    const missing = wanted.filter((f) => !this.listings.has(f))
    this.open = new Set([...this.open, ...wanted])
    await Promise.all(missing.map((f) => this.load(f)))
  }

  /** Something below the root changed: reads all that is seen anew, one time after the other. */
  async refresh(root: readonly string[]): Promise<void> {
    this.put('', root)
    if (this.refreshing) {
      this.again = true
      return
    }
    this.refreshing = true
    do {
      this.again = false
      await Promise.all([...this.open].map((f) => this.load(f)))
      if (this.searching) await this.search(true)
    } while (this.again)
    this.refreshing = false
  }

  /** Reads all keys while somebody searches, and forgets them after. */
  async search(on: boolean): Promise<void> {
    this.searching = on
    if (!on) {
      this.all = undefined
      return
    }
    try {
      this.all = await keysBelow(app.client, '')
    } catch {
      // the banner says so
    }
  }

  private async load(folder: string): Promise<void> {
    try {
      const list = await listFolder(app.client, folder)
      if (list.length > 0) return this.put(folder, list)
      // gone: forget it
      this.open = new Set([...this.open].filter((f) => f !== folder))
      this.listings = new Map([...this.listings].filter(([f]) => f !== folder))
    } catch {
      // kept as it was; the banner says so
    }
  }

  private put(folder: string, list: readonly string[]): void {
    this.listings = new Map(this.listings).set(folder, list)
  }
}

export const kvBrowser = new KvBrowser()
