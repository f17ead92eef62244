import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** `why` is for the log; whoever sent the request is told only that it was refused. */
export type Verification = { readonly ok: true } | { readonly ok: false; readonly why: string };

const AUTHENTIC: Verification = { ok: true };
const refused = (why: string): Verification => ({ ok: false, why });

/** `signature` in hexadecimal is HMAC-SHA256 of `body` with `secret` as the key. Compared in constant time. */
export function checkHexSignature(signature: string | undefined, body: Uint8Array, secret: string): Verification {
  if (secret === '') return refused('the connection has no secret');
  if (signature === undefined) return refused('no signature came');
  if (!/^[0-9a-f]{64}$/i.test(signature)) return refused('the signature is not 64 hexadecimal digits');
  const expected = createHmac('sha256', secret).update(body).digest();
  return timingSafeEqual(Buffer.from(signature, 'hex'), expected)
    ? AUTHENTIC
    : refused('the signature is not that of the body');
}

/** `token` is `secret`. Both are hashed under a key of the moment first, so that neither content nor length shows in the time. */
export function checkToken(token: string | undefined, secret: string): Verification {
  if (secret === '') return refused('the connection has no secret');
  if (token === undefined) return refused('no token came');
  const key = randomBytes(32);
  const digest = (text: string) => createHmac('sha256', key).update(text).digest();
  return timingSafeEqual(digest(token), digest(secret)) ? AUTHENTIC : refused('the token is another one');
}

const TOLERANCE_MS = 5 * 60_000;
const STANDARD_SECRET = /^whsec_([A-Za-z0-9+/]{16,128}={0,2})$/;

/** Whether a secret is one of the Standard Webhooks specification. */
export function isStandardSecret(secret: string): boolean {
  return STANDARD_SECRET.test(secret);
}

export interface StandardSignature {
  readonly id: string | undefined;
  /** Seconds since 1970, as text. */
  readonly timestamp: string | undefined;
  /** `v1,<base64>`, several with spaces between while a secret is being changed. */
  readonly signatures: string | undefined;
}

/**
 * Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`, the key in base64 after `whsec_`, not older or newer
 * than five minutes. Every signature of the list is compared in constant time.
 */
export function checkStandardSignature(
  { id, timestamp, signatures }: StandardSignature,
  body: Uint8Array,
  secret: string,
  nowMs: number,
): Verification {
  const key = STANDARD_SECRET.exec(secret)?.[1];
  if (key === undefined) return refused('the connection has no secret that begins with whsec_');
  if (id === undefined || timestamp === undefined || signatures === undefined) return refused('no signature came');
  if (!/^\d{1,12}$/.test(timestamp)) return refused('the timestamp is not a number of seconds');
  if (Math.abs(nowMs - Number(timestamp) * 1000) > TOLERANCE_MS) {
    return refused('the timestamp is more than five minutes away');
  }
  const expected = createHmac('sha256', Buffer.from(key, 'base64')).update(`${id}.${timestamp}.`).update(body).digest();
  const given = signatures
    .split(' ')
    .slice(0, 16)
    .filter((one) => /^v1,[A-Za-z0-9+/]{43}=$/.test(one))
    .map((one) => timingSafeEqual(Buffer.from(one.slice('v1,'.length), 'base64'), expected));
  return given.includes(true) ? AUTHENTIC : refused('the signature is not that of the body');
}
