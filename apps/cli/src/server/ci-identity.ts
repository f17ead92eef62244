import type { TokenSource } from '@kiln/client';
import { UsageError } from '../io/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A new token is fetched when the old one expires sooner than this, ms. GitHub's live for five minutes, less than many builds. */
const SPARE_MS = 30_000;
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Returns the identity that a CI gives its jobs, so that they need no stored secret: with `KILN_OIDC=github` in GitHub Actions, or with
 * `KILN_ID_TOKEN` (an `id_tokens` entry) in GitLab and others. Returns undefined if neither is set. @throws UsageError
 */
export function ciIdentity(env: Env, url: string): TokenSource | undefined {
  if (env.KILN_ID_TOKEN) return env.KILN_ID_TOKEN;
  if (!env.KILN_OIDC) return undefined;
  if (env.KILN_OIDC !== 'github') {
    throw new UsageError(
      `KILN_OIDC: got ${JSON.stringify(env.KILN_OIDC)}, expected github; elsewhere, set KILN_ID_TOKEN`,
    );
  }
  const { ACTIONS_ID_TOKEN_REQUEST_URL: requestUrl, ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken } = env;
  if (!requestUrl || !requestToken) {
    throw new UsageError(
      'KILN_OIDC=github is set, but this GitHub Actions job can get no identity: add `permissions: id-token: write` to it',
    );
  }
  return fromGitHub(requestUrl, requestToken, env.KILN_OIDC_AUDIENCE || originOf(url));
}

function fromGitHub(requestUrl: string, requestToken: string, audience: string): () => Promise<string> {
  const url = new URL(requestUrl);
  url.searchParams.set('audience', audience);
  let held: { readonly token: string; readonly until: number } | undefined;
  // Concurrent callers share one request.
  let asking: Promise<string> | undefined;
  const fresh = async () => {
    const token = await ask(url, requestToken);
    held = { token, until: endOf(token) };
    return token;
  };
  return async () => {
    if (held && held.until - Date.now() > SPARE_MS) return held.token;
    asking ??= fresh().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

async function ask(url: URL, requestToken: string): Promise<string> {
  const failed = (why: string) => new UsageError(`KILN_OIDC=github: could not get an identity from GitHub: ${why}`);
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { authorization: `Bearer ${requestToken}`, accept: 'application/json' },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
  } catch (error) {
    throw failed(`${url.host} can't be reached (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!response.ok) throw failed(`${url.host} responded with status ${response.status}`);
  const { value } = ((await response.json().catch(() => undefined)) ?? {}) as { value?: unknown };
  if (typeof value !== 'string' || value === '') throw failed(`${url.host} responded without a token`);
  return value;
}

/** Returns the expiry of a JWT, ms since the epoch, or 0 if it has none, so that it isn't reused. */
function endOf(token: string): number {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const exp = (payload as { exp?: unknown } | null)?.exp;
    return typeof exp === 'number' ? exp * 1_000 : 0;
  } catch {
    return 0;
  }
}

/** Returns the default audience, the server's origin. A malformed URL is reported later. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}
