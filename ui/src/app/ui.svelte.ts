/** What lies over the page: the dialog that is open, and short messages. */
class Ui {
  dialog = $state<'' | 'login' | 'help' | 'settings'>('')
  toasts = $state<{ id: number; text: string }[]>([])
  private last = 0

  /** Shows a message for a few seconds. */
  say(text: string): void {
    const id = ++this.last
    this.toasts.push({ id, text })
    setTimeout(() => (this.toasts = this.toasts.filter((t) => t.id !== id)), 4_000)
  }
}

export const ui = new Ui()
