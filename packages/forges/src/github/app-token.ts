import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { trimEnd } from '@kiln/domain';
import { z } from 'zod';
import { failureReason } from '../status/failure-reason.ts';
import { escapedPath } from '../status/report.ts';
import type { StatusTransport } from '../status/send.ts';

/** A GitHub App, as its settings page shows it. */
export interface GithubApp {
  /** The App's id, or its client id. */
  readonly appId: string;
  /** PEM, PKCS #1 or PKCS #8. */
  readonly privateKey: string;
}

export interface InstallationToken {
  readonly token: string;
  /** Ms since the epoch: an hour after it was made. */
  readonly expiresAt: number;
}

/** What an installation token is for. `git`: only to read the repository's content. `api`: everything that the App may do in it. */
export type TokenPurpose = 'api' | 'git';

export interface TokenRequest {
  readonly app: GithubApp;
  /** The root of the API, such as `https://api.github.com`. */
  readonly apiUrl: string;
  /** `owner/name`; the token is valid for this repository only. */
  readonly repository: string;
  readonly purpose: TokenPurpose;
}

/** GitHub gave no token. `isPassing`: it may do so later. The message contains neither key nor token. */
export class NoInstallationToken extends Error {
  readonly isPassing: boolean;

  constructor(message: string, isPassing: boolean) {
    super(message);
    this.isPassing = isPassing;
  }
}

const installation = z.object({ id: z.int() });
const accessToken = z.object({ token: z.string().min(1), expires_at: z.string() });

/** The clocks of both sides may differ by this much, s. */
const CLOCK_SKEW_S = 60;
/** GitHub refuses JWTs that live longer than 10 minutes. */
const JWT_LIFETIME_S = 9 * 60;

/**
 * Makes an installation access token for a repository: finds the App's installation there, then
 * `POST /app/installations/{id}/access_tokens` (docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app).
 * @throws NoInstallationToken
 */
export async function installationToken(
  { app, apiUrl, repository, purpose }: TokenRequest,
  transport: StatusTransport,
): Promise<InstallationToken> {
  const jwt = appJwt(app, transport.nowMs);
  const root = trimEnd(apiUrl, '/');
  const { id } = await call(
    { method: 'GET', url: `${root}/repos/${escapedPath(repository)}/installation`, jwt },
    installation,
    `the installation of GitHub App ${app.appId} in ${repository}`,
    transport,
  );
  const made = await call(
    {
      ...{ method: 'POST', url: `${root}/app/installations/${id}/access_tokens`, jwt },
      body: {
        repositories: [repository.slice(repository.indexOf('/') + 1)],
        ...(purpose === 'git' && { permissions: { contents: 'read' } }),
      },
    },
    accessToken,
    `a token of GitHub App ${app.appId} for ${repository}`,
    transport,
  );
  const expiresAt = Date.parse(made.expires_at);
  if (Number.isNaN(expiresAt)) throw new NoInstallationToken('the token’s expires_at is not a time', false);
  return { token: made.token, expiresAt };
}

/** The JWT with which an App authenticates: RS256, for nine minutes. @throws NoInstallationToken */
function appJwt({ appId, privateKey }: GithubApp, nowMs: number): string {
  const now = Math.floor(nowMs / 1_000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iat: now - CLOCK_SKEW_S, exp: now + JWT_LIFETIME_S, iss: appId };
  const content = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  return `${content}.${sign('sha256', Buffer.from(content), rsaKey(privateKey)).toString('base64url')}`;
}

function rsaKey(pem: string): KeyObject {
  const key = parsedKey(pem);
  if (key?.asymmetricKeyType === 'rsa') return key;
  throw new NoInstallationToken('the private key of the GitHub App is not an RSA key in PEM format', false);
}

function parsedKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** Whether a text is a private key with which an App can authenticate. */
export function isAppKey(pem: string): boolean {
  return parsedKey(pem)?.asymmetricKeyType === 'rsa';
}

interface AppRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly jwt: string;
  readonly body?: object;
}

async function call<T extends z.ZodType>(
  { method, url, jwt, body }: AppRequest,
  schema: T,
  what: string,
  { fetch, timeoutMs, signal }: StatusTransport,
): Promise<z.output<T>> {
  const timeout = AbortSignal.timeout(timeoutMs);
  let status: number;
  let json: unknown;
  let isSpent = false;
  try {
    const response = await fetch(url, {
      ...{ method, redirect: 'error', signal: signal ? AbortSignal.any([timeout, signal]) : timeout },
      headers: {
        accept: 'application/vnd.github+json',
        'x-github-api-version': '2022-11-28',
        'user-agent': 'kiln',
        authorization: `Bearer ${jwt}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    status = response.status;
    isSpent = response.headers.get('x-ratelimit-remaining') === '0' || response.headers.has('retry-after');
    json = await response.json().catch(() => undefined);
  } catch (error) {
    throw new NoInstallationToken(
      `${what}: ${timeout.aborted ? `no answer within ${timeoutMs} ms` : failureReason(error)}`,
      true,
    );
  }
  const parsed = schema.safeParse(json);
  if (status >= 200 && status < 300 && parsed.success) return parsed.data;
  const said = z.object({ message: z.string() }).safeParse(json).data?.message.slice(0, 200) ?? 'an unexpected answer';
  const isPassing = status === 429 || status >= 500 || (status === 403 && isSpent);
  throw new NoInstallationToken(`${what}: ${status} ${said}`, isPassing);
}
