import { createHash, timingSafeEqual } from 'node:crypto';
import { Complaint } from './complaint.ts';

/**
 * A check of `Authorization: Bearer …` against `tokens`. Takes as long for a wrong token as for a right one.
 * The check throws Complaint `unauthorized`.
 */
export function bearerCheck(tokens: readonly string[]): (header: string | undefined) => void {
  // Hashes are of one length, which timingSafeEqual needs, and tell nothing of the length of a token.
  const known = tokens.map(sha256);
  return (header) => {
    const token = /^Bearer +([^\s]+) *$/i.exec(header ?? '')?.[1];
    const given = sha256(token ?? '');
    const matches = known.map((one) => timingSafeEqual(one, given)).filter(Boolean).length;
    if (token !== undefined && matches > 0) return;
    throw new Complaint(
      'unauthorized',
      token === undefined ? 'no bearer token was sent' : 'the bearer token is not one of this Kiln',
      {
        errors: [
          {
            field: 'header Authorization',
            got: header === undefined ? 'nothing' : 'a value that is not shown',
            expected: 'Bearer and a token of this Kiln',
          },
        ],
        headers: {
          'WWW-Authenticate':
            token === undefined ? 'Bearer realm="kiln"' : 'Bearer realm="kiln", error="invalid_token"',
        },
      },
    );
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
