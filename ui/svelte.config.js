// Svelte reads TypeScript itself; there is nothing to prepare.
export default {
  compilerOptions: { runes: true },
}
