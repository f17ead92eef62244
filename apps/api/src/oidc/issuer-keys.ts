import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { ApiProblem } from '../http/api-problem.ts';

export interface KeyTimes {
  /** How long an issuer may take to answer, ms. */
  readonly timeoutMs: number;
  /** Keys are fetched anew for one that isn't known, but no more often than this, ms. */
  readonly cooldownMs: number;
  /** Keys are fetched anew after so long, ms. */
  readonly maxAgeMs: number;
}

export const KEY_TIMES: KeyTimes = { timeoutMs: 5_000, cooldownMs: 30_000, maxAgeMs: 600_000 };

/** After a failure an issuer isn't asked again for so long, ms: whoever can send a request could have Kiln ask without end. */
const PAUSE_MS = 1_000;

const discovery = z.object({ issuer: z.string(), jwks_uri: z.string() });

/** What jose says where the keys are the trouble, not the token. */
const KEY_FAULTS = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC']);

/** The public keys of one issuer, fetched when they are first needed. */
export class IssuerKeys {
  readonly #issuer: { readonly name: string; readonly issuer: string; readonly jwksUri?: string | undefined };
  readonly #times: KeyTimes;
  readonly #now: () => number;
  #keys: Promise<JWTVerifyGetKey> | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(
    issuer: { readonly name: string; readonly issuer: string; readonly jwksUri?: string | undefined },
    times: KeyTimes,
    now: () => number,
  ) {
    this.#issuer = issuer;
    this.#times = times;
    this.#now = now;
  }

  /** Finds the key of a token. @throws ApiProblem `unavailable` where the issuer doesn't answer; jose's errors where the token is at fault */
  readonly get: JWTVerifyGetKey = async (header, token) => {
    if (this.#now() - this.#failedAt < PAUSE_MS) throw this.#unavailable();
    try {
      this.#keys ??= this.#discover();
      const keys = await this.#keys;
      return await keys(header, token);
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (typeof code === 'string' && code.startsWith('ERR_J') && !KEY_FAULTS.has(code)) throw error;
      this.#keys = undefined;
      this.#failedAt = this.#now();
      throw this.#unavailable(error);
    }
  };

  async #discover(): Promise<JWTVerifyGetKey> {
    const uri = this.#issuer.jwksUri ?? (await this.#jwksUri());
    const { timeoutMs, cooldownMs, maxAgeMs } = this.#times;
    return createRemoteJWKSet(new URL(uri), {
      timeoutDuration: timeoutMs,
      cooldownDuration: cooldownMs,
      cacheMaxAge: maxAgeMs,
    });
  }

  async #jwksUri(): Promise<string> {
    const { issuer } = this.#issuer;
    const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
      redirect: 'error',
      signal: AbortSignal.timeout(this.#times.timeoutMs),
    });
    if (!response.ok) throw new Error(`discovery answered ${response.status}`);
    const found = discovery.parse(await response.json());
    if (found.issuer !== issuer) throw new Error('the discovery document is another issuer’s');
    return found.jwks_uri;
  }

  #unavailable(cause?: unknown): ApiProblem {
    const problem = new ApiProblem(
      'unavailable',
      `the OIDC issuer ${this.#issuer.name} does not say with which keys it signs`,
      { headers: { 'Retry-After': '2' } },
    );
    if (cause !== undefined) problem.cause = cause;
    return problem;
  }
}
