export interface SendOptions {
  /** `globalThis.fetch`, or one that refuses addresses that may not be reached. */
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

/** What came of sending. `status` is absent where nobody answered. */
export type Sent =
  | { readonly ok: true; readonly status: number }
  | { readonly ok: false; readonly status?: number; readonly why: string; readonly afterMs?: number };

/** The one place from which messages go out. Redirects aren't followed: whoever set the target up named it. Never throws. */
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
    // What a target answers beside its status is of no use.
    await response.body?.cancel();
    const { status } = response;
    if (response.ok) return { ok: true, status };
    const afterMs = waitMs(response.headers.get('retry-after'), nowMs);
    const why = status >= 300 && status < 400 ? `${status}: redirects aren’t followed` : `answered ${status}`;
    return { ok: false, status, why, ...(afterMs !== undefined && { afterMs }) };
  } catch (error) {
    if (timeout.aborted) return { ok: false, why: `no answer within ${timeoutMs} ms` };
    return { ok: false, why: reasonOf(error) };
  }
}

/** `Retry-After` in seconds or as a date. */
function waitMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** `fetch failed` says nothing; what the socket said is the cause. */
function reasonOf(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}
