import { defineConfig } from 'vitest/config'

// The page in Chromium, against real agents. Each file has agents of its own, so
// that two run at a time: much of a test is waiting for a cluster.
export default defineConfig({
  test: {
    globalSetup: ['e2e/setup.ts'],
    include: ['e2e/**/*.e2e.ts'],
    environment: 'node',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
})
