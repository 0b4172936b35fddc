/** Bytes of a Base64 text; undefined if it is none. Spaces and line ends do not count. */
export function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text.replace(/\s+/g, '')), (c) => c.charCodeAt(0))
  } catch {
    return undefined
  }
}

export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(text)
}

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** The text in UTF-8 that bytes are; undefined if they are none, or hold what no editor shows. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    // Carriage returns would be lost in an editor.
    return /[\u0000-\u0008\u000b-\u001f\u007f]/.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

/** Two digits a byte, sixteen bytes a line. */
export function toHex(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let i = 0; i < bytes.length; i += 16) {
    lines.push([...bytes.subarray(i, i + 16)].map((b) => b.toString(16).padStart(2, '0')).join(' '))
  }
  return lines.join('\n')
}

/** The bytes of a text in hex; undefined if it is none. */
export function fromHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/\s+/g, '')
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) return undefined
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16))
}

/** Base64 on lines of 76 characters. */
export function wrapBase64(bytes: Uint8Array): string {
  return encodeBase64(bytes).replace(/.{76}(?=.)/g, '$&\n')
}
