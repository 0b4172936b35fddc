import type { KvPair } from '../api/types.ts'
import { guessLanguage, type Language } from '../editor/language.ts'
import { decodeBase64, encodeText, fromHex, textOf, toHex, wrapBase64 } from '../lib/bytes.ts'
import { parseFlags } from '../lib/kvfile.ts'

export type ViewMode = 'text' | 'base64' | 'hex'

/** Values of this size and more are refused by agents that have not been told otherwise, in bytes. */
export const maxValue = 512 * 1024

/** What somebody is writing into a key, in one of three forms. */
export class Draft {
  /** What the draft began with; undefined for a new key. */
  base = $state.raw<KvPair | undefined>()
  mode = $state<ViewMode>('text')
  text = $state('')
  flags = $state('0')
  language = $state<Language>('plain')
  private stored = $derived(decodeBase64(this.base?.Value ?? '') ?? new Uint8Array())

  /** The bytes that would be written; undefined where the text is not what the form says. */
  bytes = $derived.by(() => {
    switch (this.mode) {
      case 'text': return encodeText(this.text)
      case 'base64': return decodeBase64(this.text)
      case 'hex': return fromHex(this.text)
    }
  })
  goodFlags = $derived(parseFlags(this.flags))
  changed = $derived(!this.bytes || !sameBytes(this.bytes, this.stored) || this.goodFlags !== String(this.base?.Flags ?? 0))
  good = $derived(this.bytes !== undefined && this.goodFlags !== undefined)

  /** Begins anew with what is stored. */
  start(pair: KvPair | undefined, key: string): void {
    const before = this.base
    this.base = pair
    this.flags = String(pair?.Flags ?? 0)
    const text = textOf(this.stored)
    if (text === undefined) {
      if (this.mode === 'text' || !before) this.mode = 'hex'
      this.text = this.render(this.stored, this.mode)
    } else {
      if (!before) this.mode = 'text'
      this.text = this.render(this.stored, this.mode)
      if (!before) this.language = guessLanguage(key, text)
    }
  }

  /** Goes on from another stored pair, keeping what was written. */
  rebase(pair: KvPair | undefined): void {
    this.base = pair
  }

  /** Shows the same bytes in another form; false where they have none. */
  show(mode: ViewMode): boolean {
    const bytes = this.bytes
    if (!bytes || (mode === 'text' && textOf(bytes) === undefined)) return false
    this.text = this.render(bytes, mode)
    this.mode = mode
    return true
  }

  get isText(): boolean {
    return this.bytes !== undefined && textOf(this.bytes) !== undefined
  }

  private render(bytes: Uint8Array, mode: ViewMode): string {
    switch (mode) {
      case 'text': return textOf(bytes) ?? ''
      case 'base64': return wrapBase64(bytes)
      case 'hex': return toHex(bytes)
    }
  }
}

/** Two values as texts to compare: as they are read, or in hex. */
export function readable(...values: Uint8Array[]): string[] {
  const texts = values.map(textOf)
  return texts.every((t) => t !== undefined) ? (texts as string[]) : values.map(toHex)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i])
}
