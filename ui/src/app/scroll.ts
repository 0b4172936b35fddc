/** Where lists were scrolled to, by name, for as long as the page lives. */
export const scrollPositions = new Map<string, number>()
