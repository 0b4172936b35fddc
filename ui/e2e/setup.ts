import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import type { TestProject } from 'vitest/node'
import { devAgent } from './agents.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    browser: string
    agent: { url: string; name: string; dns: number }
  }
}

/** Starts one browser and one agent for all tests, and ends them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing: install chromium`)
  const agent = (await devAgent()).start()
  const browser = await chromium.launchServer({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  await agent.ready()
  project.provide('browser', browser.wsEndpoint())
  project.provide('agent', { url: agent.url, name: agent.name, dns: agent.ports.dns })
  return async () => {
    await browser.close()
    await agent.remove()
  }
}
