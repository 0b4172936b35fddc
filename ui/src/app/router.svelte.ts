import { formatRoute, parseRoute, type Place, type Route } from './routes.ts'

/** Where the page is. Follows the browser's history; links inside do not load anew. */
class Router {
  /** The path below which the page is served. */
  readonly base = new URL(document.baseURI).pathname
  route = $state.raw<Route>(this.read())
  /** Asked before the place changes; false keeps it. */
  private guard: (() => boolean) | undefined

  start(): () => void {
    const onPop = () => {
      const next = this.read()
      if (this.guard && !this.guard()) {
        history.pushState(null, '', this.address(this.route))
        return
      }
      this.route = next
    }
    addEventListener('popstate', onPop)
    document.addEventListener('click', this.onClick)
    return () => {
      removeEventListener('popstate', onPop)
      document.removeEventListener('click', this.onClick)
    }
  }

  /** The address of a place, in the datacenter that is shown. */
  href(place: Place, search?: Record<string, string>, dc = this.route.dc): string {
    return this.base + formatRoute(dc, place, search)
  }

  go(place: Place, search?: Record<string, string>): void {
    this.visit(this.href(place, search), false)
  }

  /** Writes what was searched into the address, without a step in the history. */
  setSearch(search: Record<string, string>): void {
    this.visit(this.href(this.route.place, search), true, true)
  }

  /** The same place elsewhere: details of one datacenter mean nothing in another. */
  switchDatacenter(dc: string): void {
    const { place } = this.route
    const list: Record<string, Place> = { service: { page: 'services' }, node: { page: 'nodes' } }
    const to: Place = place.page === 'kv' ? { page: 'kv', key: '', open: false } : (list[place.page] ?? place)
    this.visit(this.href(to, undefined, dc), false)
  }

  /** Fills in the datacenter once it is known. */
  settle(dc: string): void {
    if (this.route.dc === '') this.visit(this.href(this.route.place, Object.fromEntries(this.route.search), dc), true, true)
  }

  /** While there is something to lose, the guard is asked before leaving. */
  protect(guard: (() => boolean) | undefined): void {
    this.guard = guard
  }

  private visit(address: string, replace: boolean, unasked = false): void {
    if (!unasked && this.guard && !this.guard()) return
    if (replace) history.replaceState(null, '', address)
    else history.pushState(null, '', address)
    this.route = this.read()
  }

  private address(route: Route): string {
    return this.base + formatRoute(route.dc, route.place, Object.fromEntries(route.search))
  }

  private read(): Route {
    const path = location.pathname
    const below = path.startsWith(this.base) ? path.slice(this.base.length) : ''
    return parseRoute(below, location.search)
  }

  private onClick = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.composedPath().find((e): e is HTMLAnchorElement => e instanceof HTMLAnchorElement)
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (!link.pathname.startsWith(this.base)) return
    event.preventDefault()
    const address = link.pathname + link.search
    if (address !== location.pathname + location.search) this.visit(address, false)
  }
}

export const router = new Router()
