export type Theme = 'auto' | 'light' | 'dark'

const themes: Theme[] = ['auto', 'light', 'dark']

/** What somebody chose for this browser. Storage may be forbidden; then it lasts as long as the page. */
class Prefs {
  theme = $state<Theme>(one(read('muster.theme'), themes) ?? 'auto')
  language = $state<string>(read('muster.language') ?? '')

  setTheme(theme: Theme): void {
    this.theme = theme
    write('muster.theme', theme)
  }

  setLanguage(language: string): void {
    this.language = language
    write('muster.language', language)
  }
}

function one<T extends string>(value: string | null, allowed: T[]): T | undefined {
  return allowed.find((a) => a === value)
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // not kept
  }
}

export const prefs = new Prefs()
