import type { Forge } from '../forge.ts';
import { failureReason } from './failure-reason.ts';
import type { ForgeConnection, StatusReport, StatusRequest } from './report.ts';
import { bounded, retryAfterMs } from './retry-after.ts';

export interface StatusTransport {
  /** `globalThis.fetch`, or one that refuses forbidden addresses. */
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly nowMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The outcome of a report. `remoteId` has to be passed with the next report of the same status. If `retry` is true, the same report may
 * succeed later, but not before `afterMs` if the forge asked for a wait. `why` never contains the token.
 */
export type Delivery =
  | { readonly delivered: true; readonly remoteId?: string }
  | { readonly delivered: false; readonly retry: boolean; readonly afterMs?: number; readonly why: string };

const MAX_REDIRECTS = 3;
const MAX_ANSWER_CHARS = 64 * 1024;

/** Reports a status to a forge. Never throws: the result describes any failure. */
export async function reportStatus(
  forge: Forge,
  report: StatusReport,
  connection: ForgeConnection,
  transport: StatusTransport,
): Promise<Delivery> {
  const timeout = AbortSignal.timeout(transport.timeoutMs);
  const signal = transport.signal ? AbortSignal.any([timeout, transport.signal]) : timeout;
  try {
    const response = await send(forge.status(report, connection), transport.fetch, signal);
    const body = await readText(response);
    if (response.ok) return { delivered: true, ...remoteIdOf(connection, body) };
    if (forge.alreadyReported(response.status, body)) return { delivered: true };
    return refusal(response, without(body, connection.token), transport.nowMs);
  } catch (error) {
    if (timeout.aborted) return { delivered: false, retry: true, why: `no answer within ${transport.timeoutMs} ms` };
    // `fetch` rejects a request that it can't begin, such as one to an invalid URL, without a cause. Retrying won't help.
    const retry = !(error instanceof TypeError && error.cause === undefined);
    return { delivered: false, retry, why: without(failureReason(error), connection.token) };
  }
}

/** Follows redirects to the same origin only, keeping method, body and token: forges redirect requests for a renamed repository. */
async function send(request: StatusRequest, fetch: StatusTransport['fetch'], signal: AbortSignal): Promise<Response> {
  const { method, headers, body } = request;
  let url = new URL(request.url);
  for (let redirects = 0; ; redirects += 1) {
    const response = await fetch(url.href, { method, headers, body, redirect: 'manual', signal });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null || redirects === MAX_REDIRECTS) {
      return response;
    }
    const next = URL.parse(location, url.href);
    if (next?.origin !== url.origin) return response;
    await response.body?.cancel();
    url = next;
  }
}

/** Reads only the beginning of a response, which comes from outside and may be endless. */
async function readText(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_ANSWER_CHARS) break;
  }
  return text;
}

function remoteIdOf({ checks }: ForgeConnection, body: string): { remoteId?: string } {
  if (!checks) return {};
  const id = idField(body);
  return id === undefined ? {} : { remoteId: id };
}

function idField(body: string): string | undefined {
  try {
    const { id } = JSON.parse(body) as { id?: unknown };
    return typeof id === 'number' || typeof id === 'string' ? String(id) : undefined;
  } catch {
    return undefined;
  }
}

function refusal(response: Response, body: string, nowMs: number): Delivery {
  const afterMs = waitMs(response, nowMs);
  const retry = isPassing(response.status) || (response.status === 403 && afterMs !== undefined);
  const said = body.replace(/\s+/g, ' ').trim().slice(0, 200);
  const why = `${response.status} ${response.statusText}`.trim() + (said === '' ? '' : `: ${said}`);
  return { delivered: false, retry, ...(retry && afterMs !== undefined && { afterMs }), why };
}

function isPassing(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * How long the forge asks to wait, at most 12 hours: by `Retry-After`, or by its rate limit. GitHub answers 403 with
 * `X-RateLimit-Remaining: 0` and the time of the reset in seconds; GitLab 429 with `RateLimit-Reset`, in seconds, too.
 */
function waitMs({ headers, status }: Response, nowMs: number): number | undefined {
  const asked = retryAfterMs(headers.get('retry-after'), nowMs);
  if (asked !== undefined) return asked;
  const spent = headers.get('x-ratelimit-remaining') === '0' || status === 429;
  const reset = headers.get('x-ratelimit-reset') ?? headers.get('ratelimit-reset');
  if (!spent || reset === null || !/^\d{9,11}$/.test(reset)) return undefined;
  return bounded(Number(reset) * 1000 - nowMs);
}

/** Removes the token, which a response or an error message may repeat. */
function without(text: string, token: string): string {
  return token === '' ? text : text.replaceAll(token, '***');
}
