/** A text in JSON, or a number of more digits than a JavaScript number holds. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g

/**
 * Reads JSON, with integers of 16 digits and more as texts: flags of keys have
 * 64 bits, and a number here only 53.
 */
export function parseLossless(text: string): unknown {
  if (!text) return null
  return JSON.parse(text.replace(tokens, (token) => (token.startsWith('"') ? token : `"${token}"`)))
}
