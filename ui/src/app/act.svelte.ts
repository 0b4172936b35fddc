/** An action under way: whether it runs, and why it failed. */
export class Act {
  busy = $state(false)
  error = $state.raw<unknown>()

  /** Runs it; true if it went well. A second call while one runs does nothing. */
  async run(what: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false
    this.busy = true
    this.error = undefined
    try {
      await what()
      return true
    } catch (error) {
      this.error = error
      return false
    } finally {
      this.busy = false
    }
  }
}
