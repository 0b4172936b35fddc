import { router } from './router.svelte.ts'

/** The search of a page, which stands in its address as ?q=. Called while a component is made. */
export function useSearch(): { text: string } {
  let text = $state(router.route.search.get('q') ?? '')
  const inAddress = $derived(router.route.search.get('q') ?? '')
  // back and forward
  $effect(() => {
    text = inAddress
  })
  return {
    get text() { return text },
    set text(value: string) {
      text = value
      router.setSearch({ ...Object.fromEntries(router.route.search), q: value })
    },
  }
}
