import { defineConfig } from 'vitest/config'

// The page in Chromium, against real agents.
export default defineConfig({
  test: {
    globalSetup: ['e2e/setup.ts'],
    include: ['e2e/**/*.e2e.ts'],
    environment: 'node',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    maxWorkers: 1,
  },
})
