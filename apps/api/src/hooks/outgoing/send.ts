import { failureReason, retryAfterMs } from '@kiln/forges';

export interface SendOptions {
  /** `globalThis.fetch`, or one that refuses forbidden addresses. */
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

/** The outcome of sending. `status` is absent if there was no response; `afterMs`: how long the target asked to wait. */
export type Sent =
  | { readonly ok: true; readonly status: number }
  | { readonly ok: false; readonly status?: number; readonly why: string; readonly afterMs?: number };

/** Sends a message. Doesn't follow redirects, which could lead anywhere. Never throws: the result describes any failure. */
export async function send(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  { fetch, timeoutMs, signal, nowMs }: SendOptions,
): Promise<Sent> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      ...{ method: 'POST', body, redirect: 'manual', signal: AbortSignal.any([timeout, signal]) },
      headers: { 'content-type': 'application/json', 'user-agent': 'kiln', ...headers },
    });
    await response.body?.cancel();
    const { status } = response;
    if (response.ok) return { ok: true, status };
    const afterMs = retryAfterMs(response.headers.get('retry-after'), nowMs);
    const why = status >= 300 && status < 400 ? `${status}: redirects aren’t followed` : `answered ${status}`;
    return { ok: false, status, why, ...(afterMs !== undefined && { afterMs }) };
  } catch (error) {
    if (timeout.aborted) return { ok: false, why: `no answer within ${timeoutMs} ms` };
    return { ok: false, why: failureReason(error) };
  }
}
