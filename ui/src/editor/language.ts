/** What a value may be written in. */
export type Language = 'plain' | 'json' | 'yaml' | 'hcl'

export const languages: Language[] = ['plain', 'json', 'yaml', 'hcl']

/** Guesses what a value is written in: by its key's ending, else by its look. */
export function guessLanguage(key: string, text: string): Language {
  const ending = /\.(\w+)$/.exec(key)?.[1]?.toLowerCase()
  if (ending === 'json') return 'json'
  if (ending === 'yaml' || ending === 'yml') return 'yaml'
  if (ending === 'hcl' || ending === 'tf' || ending === 'nomad') return 'hcl'
  const trimmed = text.trim()
  if (/^[[{]/.test(trimmed)) {
    try {
      JSON.parse(trimmed)
      return 'json'
    } catch {
      return 'plain'
    }
  }
  if (/^---\s*$/m.test(trimmed) || /^[\w-]+:\s[^\n]*\n[\w-]+:/.test(trimmed)) return 'yaml'
  return 'plain'
}
