import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { afterEach, expect, test } from 'vitest'
import { agent, get, open, put, remove, row } from './page.ts'

afterEach(() => remove('/v1/kv/?recurse'))

/** Writes into the editor what replaces all that is there. */
async function write(page: Page, text: string): Promise<void> {
  await page.locator('[data-editor=ready]').waitFor()
  const editor = page.getByRole('textbox', { name: 'Value' })
  await editor.click()
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText(text)
}

const value = async (key: string) => {
  const list = await get<{ Value: string | null; Flags: number }[]>(`/v1/kv/${key}`)
  return list?.[0] && { text: Buffer.from(list[0].Value ?? '', 'base64').toString(), flags: list[0].Flags }
}

test('a key is created, found in the tree, and deleted', async () => {
  const page = await open('dc1/kv/')
  await page.getByText('No keys yet').waitFor()
  await page.getByRole('link', { name: 'New key' }).first().click()
  await page.getByRole('textbox', { name: /^Key/ }).fill('app/config/port')
  await write(page, '8080')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('heading', { name: 'app/config/port' }).waitFor()
  await row(page, 'Key/Value', 'config/').waitFor()
  await row(page, 'Key/Value', 'port').waitFor()
  expect(await value('app/config/port')).toEqual({ text: '8080', flags: 0 })
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByText('No keys yet').waitFor()
  expect(await value('app/config/port')).toBeUndefined()
})

test('what will change is shown before it is saved, flags too', async () => {
  await put('/v1/kv/site/title?flags=7', 'one\ntwo\n')
  const page = await open('dc1/kv/site/title/edit')
  await write(page, 'one\n2\n')
  await page.getByText('Not saved').waitFor()
  await page.getByLabel('Flags').fill('42')
  await page.getByRole('button', { name: 'Review and save' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('Flags: 7 → 42').waitFor()
  await dialog.locator('.cm-merge-a .cm-content').getByText('two').waitFor()
  await dialog.locator('.cm-merge-b .cm-content').getByText('2').waitFor()
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByText('site/title is saved').waitFor()
  expect(await value('site/title')).toEqual({ text: 'one\n2\n', flags: 42 })
})

test('two editors never overwrite each other silently', async () => {
  await put('/v1/kv/both', 'start')
  const page = await open('dc1/kv/both/edit')
  await write(page, 'mine')
  await page.getByRole('button', { name: 'Review and save' }).click()
  await put('/v1/kv/both', 'theirs')
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.getByText('It was changed while you were editing').waitFor()
  await dialog.locator('.cm-merge-a .cm-content').getByText('theirs').waitFor()
  expect((await value('both'))?.text).toBe('theirs')
  await dialog.getByRole('button', { name: 'Overwrite it with mine' }).click()
  await page.getByText('both is saved').waitFor()
  expect((await value('both'))?.text).toBe('mine')
})

test('a change by somebody else is told at once, and taken over if nothing is written', async () => {
  await put('/v1/kv/live', 'one')
  const page = await open('dc1/kv/live/edit')
  const editor = page.getByRole('textbox', { name: 'Value' })
  await editor.getByText('one').waitFor()
  await put('/v1/kv/live', 'two')
  await editor.getByText('two').waitFor()
  await write(page, 'mine')
  await put('/v1/kv/live', 'three')
  await page.getByText('Somebody else has just changed this key').waitFor()
  await page.getByRole('button', { name: 'Load it' }).click()
  await editor.getByText('three').waitFor()
})

test('JSON, YAML and HCL are checked', async () => {
  await put('/v1/kv/a.json', '{"a": 1}')
  await put('/v1/kv/a.yaml', 'a: 1\nb: [1\n')
  await put('/v1/kv/a.hcl', 'service "web" {\n  port = 80\n}\n')
  const page = await open('dc1/kv/a.json/edit')
  await page.getByText('Valid JSON').waitFor()
  await write(page, '{"a": \n x}')
  await page.getByText('Not valid JSON: line 2').waitFor()
  await page.getByRole('button', { name: 'Discard changes' }).click()
  await row(page, 'Key/Value', 'a.yaml').getByRole('link').click()
  await page.getByText(/Not valid YAML/).waitFor()
  await row(page, 'Key/Value', 'a.hcl').getByRole('link').click()
  await page.getByText('Valid HCL').waitFor()
})

test('bytes are edited as hex and Base64', async () => {
  await fetch(`${agent.url}/v1/kv/bytes`, { method: 'PUT', body: Uint8Array.of(0, 1, 255) })
  const page = await open('dc1/kv/bytes/edit')
  const editor = page.getByRole('textbox', { name: 'Value' })
  await editor.getByText('00 01 ff').waitFor()
  await page.getByText('This value is not text').waitFor()
  await page.getByText('Base64', { exact: true }).click()
  await editor.getByText('AAH/').waitFor()
  await page.getByText('Hex', { exact: true }).click()
  await write(page, '00 01 fe')
  await page.getByRole('button', { name: 'Review and save' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await page.getByText('bytes is saved').waitFor()
  expect((await get<{ Value: string }[]>('/v1/kv/bytes'))?.[0]?.Value).toBe('AAH+')
})

test('flags of 64 bits survive an edit', async () => {
  await put('/v1/kv/big?flags=18446744073709551615', 'x')
  const page = await open('dc1/kv/big/edit')
  await write(page, 'y')
  await page.getByRole('button', { name: 'Review and save' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await page.getByText('big is saved').waitFor()
  expect(await (await fetch(`${agent.url}/v1/kv/big`)).text()).toContain('18446744073709551615')
})

test('who holds a lock, and the end of it', async () => {
  const { ID } = JSON.parse(await put('/v1/session/create', { Name: 'elected', LockDelay: '1ms' })) as { ID: string }
  await put(`/v1/kv/leader?acquire=${ID}`, 'x')
  const page = await open('dc1/kv/leader/edit')
  await page.getByText('by session elected on dev').waitFor()
  await page.getByRole('button', { name: 'End the session' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End the session' }).click()
  await page.getByText('by session elected on dev').waitFor({ state: 'detached' })
})

test('a folder is deleted only with its name typed', async () => {
  for (const k of ['old/a', 'old/b/c', 'older']) await put(`/v1/kv/${k}`, 'x')
  const page = await open('dc1/kv/')
  await row(page, 'Key/Value', 'old/').getByRole('link').click()
  await page.getByRole('button', { name: 'Delete folder' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('2 keys').waitFor()
  const button = dialog.getByRole('button', { name: 'Delete folder' })
  expect(await button.isDisabled()).toBe(true)
  await page.waitForFunction(() => document.activeElement instanceof HTMLInputElement)
  await page.keyboard.type('old/')
  await button.click()
  await row(page, 'Key/Value', 'old/').waitFor({ state: 'detached' })
  expect(await get('/v1/kv/?keys')).toEqual(['older'])
})

test('exports and imports what the command does', async () => {
  await put('/v1/kv/exp/a?flags=3', 'one')
  await put('/v1/kv/exp/b<c>&', 'two')
  const page = await open('dc1/kv/exp/?folder=1')
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()])
  const saved = join(mkdtempSync(join(tmpdir(), 'muster-ui-')), 'export.json')
  await download.saveAs(saved)
  const file = readFileSync(saved, 'utf8')
  const binary = resolve(import.meta.dirname, '../..', process.env.MUSTER_BIN ?? 'bin/muster')
  expect(file.trim()).toBe(execFileSync(binary, ['kv', 'export', '-http-addr', agent.url, 'exp/'], { encoding: 'utf8' }).trim())
  await put('/v1/kv/exp/a?flags=3', 'changed')
  await remove('/v1/kv/exp/b%3Cc%3E&')
  await page.getByRole('button', { name: 'Import' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('File').setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(file) })
  await dialog.getByText('1 new, 1 changed, 0 the same').waitFor()
  await dialog.getByRole('button', { name: 'Write 2 keys' }).click()
  await page.getByText('2 keys written').waitFor()
  expect(await value('exp/a')).toEqual({ text: 'one', flags: 3 })
  await page.getByRole('button', { name: 'Import' }).click()
  await page.getByRole('dialog').getByLabel('Or paste it').fill('[{"key": "a", "value": "?"}]')
  await page.getByText('entry 1: value').waitFor()
})

test('whole paths are searched', async () => {
  for (const k of ['deep/er/needle', 'deep/er/hay', 'needle-work']) await put(`/v1/kv/${k}`, 'x')
  const page = await open('dc1/kv/')
  await page.getByLabel('Search').fill('er/n')
  await row(page, 'Key/Value', 'deep/er/needle').getByRole('link').click()
  await page.getByRole('heading', { name: 'deep/er/needle' }).waitFor()
  expect(await page.getByRole('list', { name: 'Key/Value' }).getByRole('listitem').count()).toBe(1)
})

test('nothing that was written is lost by a click', async () => {
  await put('/v1/kv/keep', 'x')
  const page = await open('dc1/kv/keep/edit')
  await write(page, 'not saved')
  page.once('dialog', (d) => void d.dismiss())
  await page.getByRole('link', { name: 'Services' }).click()
  expect(new URL(page.url()).pathname).toBe('/ui/dc1/kv/keep/edit')
  page.once('dialog', (d) => void d.accept())
  await page.getByRole('link', { name: 'Services' }).click()
  await page.getByRole('heading', { level: 1, name: 'Services' }).waitFor()
})
