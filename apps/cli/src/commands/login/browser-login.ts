import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type KilnClient, KilnProblem } from '@kiln/client';
import { formatToken, TOKEN_BYTES } from '@kiln/domain';
import { UsageError } from '../../io/errors.ts';
import { openBrowser } from '../../io/open-browser.ts';
import type { Io } from '../../io/output.ts';

const POLL_MS = 1_000;
const GIVE_UP_MS = 600_000;
const MAX_NAME_CHARS = 100;

export interface BrowserLoginOptions {
  /** A client without a token. */
  readonly client: KilnClient;
  readonly io: Pick<Io, 'err' | 'env'>;
  /** Whether to open the browser. If not, the page's address is only shown. */
  readonly opens: boolean;
  readonly signal: AbortSignal;
}

/**
 * Logs in by the browser, on this machine or another: shows a page on which a person approves a token that this makes, and waits for that. Returns
 * the token; undefined if the server has no login. Only the token's SHA-256 leaves this process before it is approved.
 * @throws UsageError after ten minutes; the errors of the client; the signal's reason
 */
export async function browserLogin({ client, io, opens, signal }: BrowserLoginOptions): Promise<string | undefined> {
  const token = formatToken('session', randomBytes(TOKEN_BYTES));
  const code = createHash('sha256').update(token).digest('hex');
  const state = () =>
    client.cliLogin(code, { signal }).catch((error: unknown) => {
      // Also of a server that is too old for it.
      if (error instanceof KilnProblem && error.problem.code === 'not_found') return undefined;
      throw error;
    });
  const first = await state();
  if (!first) return undefined;
  const page = pageUrl(first.page, code);
  io.err.line(`Code: ${io.err.style('bold', `${code.slice(0, 4)}-${code.slice(4, 8)}`.toUpperCase())}`);
  const isOpen = opens && (await openBrowser(page, io.env));
  io.err.line(`${isOpen ? 'Approve the login in the browser, at' : 'Open this page and approve the login'}: ${page}`);
  const giveUpAt = performance.now() + GIVE_UP_MS;
  while (performance.now() < giveUpAt) {
    if ((await state())?.approved) return token;
    await delay(POLL_MS, undefined, { signal });
  }
  throw new UsageError('nobody has approved the login within ten minutes; nothing was stored');
}

/** @throws UsageError if the server names something that is no page */
function pageUrl(page: string, code: string): string {
  const url = URL.canParse(page) ? new URL(page) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(
      `the server names ${JSON.stringify(page)} as the page of its login, expected an http(s) URL; see KILN_PUBLIC_URL`,
    );
  }
  url.searchParams.set('code', code);
  const name = hostname().slice(0, MAX_NAME_CHARS);
  if (name !== '') url.searchParams.set('name', name);
  return url.href;
}
