import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** `why` is for the log only: the sender learns no more than that the request was refused. */
export type Verification = { readonly ok: true } | { readonly ok: false; readonly why: string };

const AUTHENTIC: Verification = { ok: true };
const refused = (why: string): Verification => ({ ok: false, why });

/** Checks that `signature` is the HMAC-SHA256 of `body` under `secret`, in hexadecimal. Compares in constant time. */
export function checkHexSignature(signature: string | undefined, body: Uint8Array, secret: string): Verification {
  if (secret === '') return refused('the connection has no secret');
  if (signature === undefined) return refused('the signature is missing');
  if (!/^[0-9a-f]{64}$/i.test(signature)) return refused('the signature is not 64 hexadecimal digits');
  const expected = createHmac('sha256', secret).update(body).digest();
  return timingSafeEqual(Buffer.from(signature, 'hex'), expected)
    ? AUTHENTIC
    : refused('the signature does not match the body');
}

/** Checks that `token` is `secret`. Compares digests under a random key, so that the time depends on neither content nor length. */
export function checkToken(token: string | undefined, secret: string): Verification {
  if (secret === '') return refused('the connection has no secret');
  if (token === undefined) return refused('the token is missing');
  const key = randomBytes(32);
  const digest = (text: string) => createHmac('sha256', key).update(text).digest();
  return timingSafeEqual(digest(token), digest(secret)) ? AUTHENTIC : refused('the token does not match');
}

const TOLERANCE_MS = 5 * 60_000;
const STANDARD_SECRET = /^whsec_([A-Za-z0-9+/]{16,128}={0,2})$/;

/** Whether a secret has the form of the Standard Webhooks specification. */
export function isStandardSecret(secret: string): boolean {
  return STANDARD_SECRET.test(secret);
}

export interface StandardSignature {
  readonly id: string | undefined;
  /** Seconds since 1970, as text. */
  readonly timestamp: string | undefined;
  /** `v1,<base64>`; several, separated by spaces, while a secret is being rotated. */
  readonly signatures: string | undefined;
}

/**
 * Checks a signature of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`, with the base64 after `whsec_` as
 * the key. The timestamp may differ from `nowMs` by at most five minutes. Compares every signature of the list in constant time.
 */
export function checkStandardSignature(
  { id, timestamp, signatures }: StandardSignature,
  body: Uint8Array,
  secret: string,
  nowMs: number,
): Verification {
  const key = STANDARD_SECRET.exec(secret)?.[1];
  if (key === undefined) return refused('the connection’s secret does not begin with whsec_');
  if (id === undefined || timestamp === undefined || signatures === undefined)
    return refused('the signature is missing');
  if (!/^\d{1,12}$/.test(timestamp)) return refused('the timestamp is not a number of seconds');
  if (Math.abs(nowMs - Number(timestamp) * 1000) > TOLERANCE_MS) {
    return refused('the timestamp differs from the server’s clock by more than five minutes');
  }
  const expected = createHmac('sha256', Buffer.from(key, 'base64')).update(`${id}.${timestamp}.`).update(body).digest();
  const given = signatures
    .split(' ')
    .slice(0, 16)
    .filter((one) => /^v1,[A-Za-z0-9+/]{43}=$/.test(one))
    .map((one) => timingSafeEqual(Buffer.from(one.slice('v1,'.length), 'base64'), expected));
  return given.includes(true) ? AUTHENTIC : refused('the signature does not match the body');
}
