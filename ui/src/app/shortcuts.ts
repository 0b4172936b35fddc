import type { Place } from './routes.ts'

/** After `g`: where a letter leads. */
export const goTo: Record<string, Place> = {
  o: { page: 'overview' },
  s: { page: 'services' },
  n: { page: 'nodes' },
  c: { page: 'checks' },
  k: { page: 'kv', key: '', open: false },
  l: { page: 'sessions' },
  e: { page: 'events' },
}

export interface Actions {
  go: (place: Place) => void
  help: () => void
  search: () => boolean
  /** From the page into its list. */
  enterList: () => boolean
}

/** Listens for the keys of the page; not while somebody writes, or over a dialog. */
export function listenForShortcuts(actions: Actions): () => void {
  let pending = 0 // when `g` was pressed
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || writing(event)) return
    if (document.querySelector('dialog[open]')) return
    const go = event.timeStamp - pending < 1_500 && goTo[event.key]
    pending = 0
    if (go) return take(event, () => actions.go(go))
    switch (event.key) {
      case 'g':
        pending = event.timeStamp
        return
      case '?':
        return take(event, actions.help)
      case '/':
        if (actions.search()) event.preventDefault()
        return
      case 'ArrowDown':
      case 'j':
        if (!inControl(event) && actions.enterList()) event.preventDefault()
    }
  }
  addEventListener('keydown', onKey)
  return () => removeEventListener('keydown', onKey)
}

function take(event: Event, act: () => void): void {
  event.preventDefault()
  act()
}

function writing(event: Event): boolean {
  const target = event.composedPath()[0]
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName)
}

/** Inside a list or a control, arrows are its own. */
function inControl(event: Event): boolean {
  return event.target instanceof HTMLElement && event.target.closest('[role=list],[role=tree],[role=tablist]') !== null
}
