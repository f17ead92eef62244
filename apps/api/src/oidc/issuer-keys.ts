import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { ApiProblem } from '../http/api-problem.ts';

export interface KeyTimes {
  /** How long an issuer may take to answer, ms. */
  readonly timeoutMs: number;
  /** Least time between two fetches for unknown keys, ms. */
  readonly cooldownMs: number;
  /** How long fetched keys are kept, ms. */
  readonly maxAgeMs: number;
}

export const KEY_TIMES: KeyTimes = { timeoutMs: 5_000, cooldownMs: 30_000, maxAgeMs: 600_000 };

/** How long an issuer isn't asked again after a failure, ms: otherwise any caller could make Kiln send requests endlessly. */
const PAUSE_MS = 1_000;

const discovery = z.object({ issuer: z.string(), jwks_uri: z.string() });

/** Codes of jose for faults of the keys, not of the token. */
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

  /** Finds the key of a token. @throws ApiProblem `unavailable` if the keys can't be fetched; jose's errors if the token is at fault */
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
    if (found.issuer !== issuer)
      throw new Error(`the discovery document is of issuer ${found.issuer}, expected ${issuer}`);
    return found.jwks_uri;
  }

  #unavailable(cause?: unknown): ApiProblem {
    const problem = new ApiProblem(
      'unavailable',
      `signing keys of the OIDC issuer ${this.#issuer.name} could not be fetched`,
      { headers: { 'Retry-After': '2' } },
    );
    if (cause !== undefined) problem.cause = cause;
    return problem;
  }
}
