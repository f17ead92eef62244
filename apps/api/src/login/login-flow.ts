import { readFileSync } from 'node:fs';
import type { Principal } from '@kiln/domain';
import type { Sealer } from '@kiln/state';
import * as oidc from 'openid-client';
import { ApiProblem } from '../http/api-problem.ts';
import { unauthorized } from '../http/unauthorized.ts';
import type { Issuer } from '../oidc/settings.ts';
import { principalOf } from '../oidc/verify-token.ts';

/** How long a login may take, ms. */
export const LOGIN_TTL_MS = 600_000;

const ANSWER_TIMEOUT_SECONDS = 10;
const SEAL_CONTEXT = 'login';

/** What the issuer's answer must match, and where to go afterwards. Kept sealed in the browser's cookie. */
interface Attempt {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly returnTo: string;
  /** ms since the epoch. */
  readonly until: number;
}

export interface LoginDeps {
  readonly issuer: Issuer;
  readonly login: NonNullable<Issuer['login']>;
  /** Where browsers reach this API; `<publicUrl>/auth/callback` must be registered with the issuer. */
  readonly publicUrl: string;
  readonly sealer: Pick<Sealer, 'seal' | 'open'>;
  readonly now: () => number;
}

/**
 * Login by OIDC: authorization code with PKCE, state and nonce. A login under way isn't stored here but in a sealed cookie of the browser
 * that began it, so nobody can fill a store, and an answer counts only in that browser.
 */
export class LoginFlow {
  readonly #deps: LoginDeps;
  #configuration: Promise<oidc.Configuration> | undefined;

  constructor(deps: LoginDeps) {
    this.#deps = deps;
  }

  /** Begins a login: the URL to redirect the browser to, and the content of its cookie. @throws ApiProblem `unavailable` */
  async begin(returnTo: string): Promise<{ url: string; sealed: string }> {
    const { login, sealer, now } = this.#deps;
    const configuration = await this.#configured();
    const [state, nonce, verifier] = [oidc.randomState(), oidc.randomNonce(), oidc.randomPKCECodeVerifier()];
    const url = oidc.buildAuthorizationUrl(configuration, {
      ...{ redirect_uri: this.#redirectUri, scope: login.scopes.join(' '), state, nonce },
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const attempt: Attempt = { state, nonce, verifier, returnTo, until: now() + LOGIN_TTL_MS };
    return { url: url.href, sealed: sealer.seal(JSON.stringify(attempt), SEAL_CONTEXT) };
  }

  /**
   * Finishes a login. `search` is the query with which the issuer sent the browser back, `sealed` the content of the cookie.
   * @throws ApiProblem `unauthorized`, `forbidden` (no rule matches), `unavailable`
   */
  async finish(search: string, sealed: string | undefined): Promise<{ principal: Principal; returnTo: string }> {
    const { issuer } = this.#deps;
    const attempt = this.#attempt(sealed);
    const configuration = await this.#configured();
    const claims = await this.#claims(configuration, new URL(`${this.#redirectUri}${search}`), attempt);
    const { expiresAt: _, ...principal } = principalOf('session', issuer, claims, `oidc:${issuer.name}:${claims.sub}`);
    return { principal, returnTo: attempt.returnTo };
  }

  get #redirectUri(): string {
    return `${this.#deps.publicUrl.replace(/\/$/, '')}/auth/callback`;
  }

  #attempt(sealed: string | undefined): Attempt {
    const { sealer, now } = this.#deps;
    if (sealed === undefined) throw refused('this browser has not begun a login, or refuses cookies');
    let attempt: Attempt;
    try {
      attempt = JSON.parse(sealer.open(sealed, SEAL_CONTEXT)) as Attempt;
    } catch {
      throw refused('its cookie was not made by this Kiln');
    }
    if (attempt.until <= now()) throw refused('it took too long');
    return attempt;
  }

  /** The claims of the ID token, and those of the userinfo endpoint, if any. */
  async #claims(configuration: oidc.Configuration, url: URL, { state, nonce, verifier }: Attempt) {
    try {
      const tokens = await oidc.authorizationCodeGrant(configuration, url, {
        ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
      });
      const claims = tokens.claims();
      if (!claims) throw refused('the issuer sent no ID token');
      const hasMore = configuration.serverMetadata().userinfo_endpoint !== undefined;
      const more = hasMore ? await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub) : {};
      return { ...more, ...claims };
    } catch (error) {
      throw this.#explained(error);
    }
  }

  #configured(): Promise<oidc.Configuration> {
    this.#configuration ??= this.#discover().catch((error: unknown) => {
      this.#configuration = undefined;
      throw this.#explained(error);
    });
    return this.#configuration;
  }

  async #discover(): Promise<oidc.Configuration> {
    const { issuer, login } = this.#deps;
    const secret =
      login.clientSecretFile === undefined ? undefined : readFileSync(login.clientSecretFile, 'utf8').trim();
    const isLocal = issuer.issuer.startsWith('http:');
    return oidc.discovery(
      new URL(issuer.issuer),
      login.clientId,
      undefined,
      secret === undefined ? oidc.None() : oidc.ClientSecretPost(secret),
      {
        timeout: ANSWER_TIMEOUT_SECONDS,
        // Settings allow http on this machine only. Signatures are verified although the standard would accept TLS alone.
        execute: [oidc.enableNonRepudiationChecks, ...(isLocal ? [oidc.allowInsecureRequests] : [])],
      },
    );
  }

  #explained(error: unknown): unknown {
    if (error instanceof ApiProblem) return error;
    if (error instanceof oidc.AuthorizationResponseError) {
      return refused(error.error === 'access_denied' ? 'the issuer denied it' : 'the issuer reported an error');
    }
    if (error instanceof oidc.ResponseBodyError && error.status < 500)
      return refused('the issuer rejected the authorization code');
    const { name } = this.#deps.issuer;
    if (error instanceof oidc.ClientError && !isNetwork(error)) return refused('the issuer’s answer is not valid');
    const problem = new ApiProblem('unavailable', `the OIDC issuer ${name} does not respond correctly`);
    problem.cause = error;
    return problem;
  }
}

/** Codes of openid-client for an answer that is missing or malformed. */
const NETWORK_CODES = new Set([
  'OAUTH_TIMEOUT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_PARSE_ERROR',
  'OAUTH_RESPONSE_IS_NOT_JSON',
]);

function isNetwork({ code, cause }: oidc.ClientError): boolean {
  return NETWORK_CODES.has(code ?? '') || cause instanceof TypeError;
}

function refused(why: string): ApiProblem {
  return unauthorized(`login refused: ${why}; start again at /auth/login`);
}
