import { firstMatch, type Principal } from '@kiln/domain';
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { ApiProblem } from '../http/api-problem.ts';
import { unauthorized } from '../http/unauthorized.ts';
import { IssuerKeys, type KeyTimes } from './issuer-keys.ts';
import type { Issuer } from './settings.ts';

/** How much clocks may differ, s. */
const LEEWAY_SECONDS = 30;
/** Tokens issued longer ago are refused, whatever their expiry. */
const MAX_AGE = '24h';
const MAX_NAME_CHARS = 200;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

export function looksLikeJwt(token: string): boolean {
  return JWT.test(token);
}

/** Verifies tokens of `issuers`, and maps them to principals. @throws ApiProblem `unauthorized`, `forbidden`, `unavailable` */
export function tokenVerifier(
  issuers: readonly Issuer[],
  times: KeyTimes,
  now: () => number,
): (token: string) => Promise<Principal> {
  const known = new Map(issuers.map((issuer) => [issuer.issuer, { issuer, keys: new IssuerKeys(issuer, times, now) }]));
  return async (token) => {
    const { issuer, keys } = known.get(claimedIssuer(token)) ?? {};
    if (!issuer?.audience || !keys) {
      throw unauthorized('the bearer token is from an OIDC issuer that is not configured for bearer tokens');
    }
    try {
      const { payload } = await jwtVerify(token, keys.get, {
        issuer: issuer.issuer,
        audience: [...issuer.audience],
        algorithms: [...issuer.algorithms],
        clockTolerance: LEEWAY_SECONDS,
        maxTokenAge: MAX_AGE,
        requiredClaims: ['exp', 'iat', 'sub'],
        currentDate: new Date(now()),
      });
      return principalOf('oidc', issuer, payload, `oidc:${issuer.name}:${payload.sub}`);
    } catch (error) {
      if (error instanceof errors.JOSEError) throw unauthorized(`OIDC token refused: ${reasonOf(error)}`);
      throw error;
    }
  };
}

/** Maps a verified payload to its principal by the issuer's rules. @throws ApiProblem `forbidden` if no rule matches */
export function principalOf(kind: 'oidc' | 'session', issuer: Issuer, payload: JWTPayload, id: string): Principal {
  const rule = firstMatch(issuer.rules, payload);
  if (!rule) {
    throw new ApiProblem('forbidden', `no rule of issuer ${issuer.name} admits ${nameOf(payload)}`, {
      errors: [{ field: 'claims', got: 'claims that match no rule', expected: 'all claims of one rule' }],
    });
  }
  const { team, scopes, trust } = rule;
  return {
    ...{ kind, id, name: nameOf(payload), team, scopes, trust },
    ...(payload.exp !== undefined && { expiresAt: (payload.exp + LEEWAY_SECONDS) * 1_000 }),
  };
}

/** The name to show: what the issuer calls the subject, else its identifier. */
function nameOf({ preferred_username, email, name, sub }: JWTPayload): string {
  const [first = ''] = [preferred_username, email, name, sub].filter((text) => typeof text === 'string' && text !== '');
  return String(first)
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, MAX_NAME_CHARS);
}

/** The issuer that a token claims, not verified: only for choosing the keys to verify with. */
function claimedIssuer(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    throw unauthorized('the bearer token looks like a JWT but is not valid');
  }
}

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `its claim ${error.claim} is ${REASONS[error.reason] ?? 'wrong'}`;
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its signature algorithm is not accepted';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is not by the issuer’s key';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'the issuer has no such key';
  }
  return 'it is not valid';
}

const REASONS: Readonly<Record<string, string>> = {
  missing: 'missing',
  check_failed: 'not the expected value',
  invalid: 'not valid',
};
