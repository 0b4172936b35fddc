import { prefs } from '../app/prefs.svelte.ts'
import { en, type Messages } from './en.ts'
import { zh } from './zh.ts'

const languages: Record<string, Messages> = { en, zh }

/** The language of the page: as chosen, else the first of the browser's that we have, else English. */
export function pickLanguage(chosen: string, wanted: readonly string[]): string {
  for (const tag of [chosen, ...wanted]) {
    const base = tag.toLowerCase().split('-')[0] ?? ''
    if (base in languages) return base
  }
  return 'en'
}

class I18n {
  language = $derived(pickLanguage(prefs.language, navigator.languages))
  t = $derived(languages[this.language] ?? en)
  private plain = $derived(new Intl.NumberFormat(this.tag))
  private clock = $derived(new Intl.DateTimeFormat(this.tag, { timeStyle: 'medium' }))

  /** The language as browsers name it. */
  get tag(): string {
    return this.language === 'zh' ? 'zh-CN' : 'en'
  }

  number(n: number): string {
    return this.plain.format(n)
  }

  time(at: number): string {
    return this.clock.format(at)
  }

  /** How long something took or ago it was, in its largest unit. */
  span(ms: number): string {
    const s = Math.max(0, Math.round(ms / 1000))
    const { t } = this
    if (s < 60) return t.time.seconds(s)
    if (s < 3600) return t.time.minutes(Math.floor(s / 60))
    if (s < 86400) return t.time.hours(Math.floor(s / 3600))
    return t.time.days(Math.floor(s / 86400))
  }
}

export const i18n = new I18n()
