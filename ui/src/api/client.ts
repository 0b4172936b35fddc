import { ApiError, troubleOf } from './errors.ts'
import { parseLossless } from './json.ts'

/** What a question may carry. Empty values are left out. */
export type Query = Record<string, string | number | boolean | string[] | undefined>

export interface AskOptions {
  query?: Query
  signal?: AbortSignal
  /** Keep integers that do not fit into a number, as texts. */
  lossless?: boolean
  /** Give up after so many milliseconds in which the page could run; 30 s by default. */
  timeout?: number
  /** A 404 is an answer: null. */
  orNothing?: boolean
}

/** An answer, with the index of the state that it shows. */
export interface Answer<T> {
  data: T
  /** X-Consul-Index; 0 where the endpoint tells none. */
  index: number
  /** Length of what was read, in characters. */
  size: number
}

export interface ClientOptions {
  /** The token that requests carry in a header, never in the address. */
  token: () => string
  /** The datacenter that is asked; '' is the agent's own. */
  datacenter: () => string
  /** Called after each request: with nothing if it was answered. */
  onOutcome?: (trouble?: ApiError) => void
  fetch?: typeof fetch
}

/** A client of /v1 of the agent that serves this page. */
export class Client {
  constructor(private readonly options: ClientOptions) {}

  /** Asks a question and reads its JSON. */
  async get<T>(path: string, options: AskOptions = {}): Promise<Answer<T>> {
    const response = await this.send('GET', path, undefined, options)
    const text = response.ok ? await this.body(response) : ''
    const data = options.lossless ? parseLossless(text) : JSON.parse(text || 'null')
    return { data: data as T, index: Number(response.headers.get('X-Consul-Index') ?? 0) || 0, size: text.length }
  }

  /** Sends a change; what the agent answers comes back as text. */
  async change(method: 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown, options: AskOptions = {}): Promise<string> {
    const raw = body === undefined || body instanceof Uint8Array || typeof body === 'string'
    const payload = raw ? (body as BodyInit | undefined) : JSON.stringify(body)
    return this.body(await this.send(method, path, payload, options))
  }

  private async send(method: string, path: string, body: BodyInit | undefined, options: AskOptions): Promise<Response> {
    const headers: Record<string, string> = {}
    const token = this.options.token()
    if (token) headers['X-Consul-Token'] = token
    const timeout = patience(options.timeout ?? 30_000)
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
    const request = this.options.fetch ?? fetch
    let response: Response
    try {
      response = await request(addressOf(path, options.query, this.options.datacenter()), {
        method, body, headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error',
      })
    } catch (error) {
      if (options.signal?.aborted) throw error // the page itself gave up
      throw this.told(new ApiError('unreachable', 0, error instanceof Error ? error.message : String(error)))
    }
    if (!response.ok && !(options.orNothing && response.status === 404)) {
      const text = await response.text().catch(() => '')
      throw this.told(new ApiError(troubleOf(response.status, text), response.status, text.trim()))
    }
    this.options.onOutcome?.()
    return response
  }

  /** Reads a body whose connection may break on the way. */
  private async body(response: Response): Promise<string> {
    try {
      return await response.text()
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') throw error
      throw this.told(new ApiError('unreachable', 0, error instanceof Error ? error.message : String(error)))
    }
  }

  private told(error: ApiError): ApiError {
    this.options.onOutcome?.(error)
    return error
  }
}

/**
 * A signal after so many milliseconds in which the page could run. While the machine
 * sleeps or the page is busy, answers wait as well: that says nothing of the agent. So
 * the time is waited for in parts, and a pause, however long, costs one of them.
 */
export function patience(milliseconds: number, parts = 4): AbortSignal {
  const controller = new AbortController()
  const wait = (left: number): unknown =>
    left > 0
      ? setTimeout(() => wait(left - 1), milliseconds / parts)
      : controller.abort(new DOMException(`no answer within ${milliseconds / 1000} s`, 'TimeoutError'))
  wait(parts)
  return controller.signal
}

/** The address of a question: its path, and its query with the datacenter. */
export function addressOf(path: string, query: Query = {}, datacenter = ''): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries({ dc: datacenter, ...query })) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === undefined || one === '' || one === false) continue
      params.append(name, one === true ? '' : String(one))
    }
  }
  const text = params.toString()
  return text ? `${path}?${text}` : path
}

/** A name as one part of a path. */
export function part(name: string): string {
  return encodeURIComponent(name)
}

/** A key as a path: its slashes stay, everything else is escaped. */
export function keyPath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/')
}
