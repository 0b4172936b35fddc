const key = 'muster.token'

/** The token of whoever uses the page: for this tab only, gone when it is closed. */
class Token {
  value = $state(load())

  set(value: string): void {
    this.value = value.trim()
    try {
      if (this.value) sessionStorage.setItem(key, this.value)
      else sessionStorage.removeItem(key)
    } catch {
      // kept by this page alone
    }
  }
}

function load(): string {
  try {
    return sessionStorage.getItem(key) ?? ''
  } catch {
    return ''
  }
}

export const token = new Token()
