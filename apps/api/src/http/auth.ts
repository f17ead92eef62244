import { createHash, timingSafeEqual } from 'node:crypto';
import { Complaint } from './complaint.ts';

export type TokenKind = 'user' | 'worker';

/** Who may come in: users by theirs, workers by the join token. */
export type Tokens = Readonly<Record<TokenKind, readonly string[]>>;

const NOT_FOR_THIS: Readonly<Record<TokenKind, string>> = {
  user: 'this is a user’s token: only a worker may do this, with the join token (KILN_JOIN_TOKEN of the API; `kiln up` keeps it in the file join-token of its data directory)',
  worker: 'this is the join token: with it a worker joins, reads contexts and stores artifacts, and nothing else',
};

/**
 * A check of `Authorization: Bearer …` against `tokens`, of which a route allows some kinds. Takes as long for a wrong token as
 * for a right one. The check throws Complaint `unauthorized` or `forbidden`.
 */
export function bearerCheck(tokens: Tokens): (header: string | undefined, allowed: readonly TokenKind[]) => void {
  // Hashes are of one length, which timingSafeEqual needs, and tell nothing of the length of a token.
  const known = (['user', 'worker'] as const).flatMap((kind) =>
    tokens[kind].map((token) => ({ kind, hash: sha256(token) })),
  );
  return (header, allowed) => {
    const token = /^Bearer +([^\s]+) *$/i.exec(header ?? '')?.[1];
    const given = sha256(token ?? '');
    const matches = known.filter(({ hash }) => timingSafeEqual(hash, given));
    if (token === undefined || matches.length === 0) {
      throw refused(
        header,
        token,
        allowed.every((kind) => tokens[kind].length === 0),
      );
    }
    if (matches.some(({ kind }) => allowed.includes(kind))) return;
    throw new Complaint('forbidden', NOT_FOR_THIS[matches[0]?.kind ?? 'user'], {
      errors: [
        {
          field: 'header Authorization',
          got: 'a value that is not shown',
          expected: allowed.includes('user') ? 'Bearer and a user’s token' : 'Bearer and the join token',
        },
      ],
    });
  };
}

function refused(header: string | undefined, token: string | undefined, takesNone: boolean): Complaint {
  const detail = takesNone
    ? 'no worker can join here: the API has no join token (KILN_JOIN_TOKEN, KILN_JOIN_TOKEN_FILE)'
    : token === undefined
      ? 'no bearer token was sent'
      : 'the bearer token is not one of this Kiln';
  return new Complaint('unauthorized', detail, {
    errors: [
      {
        field: 'header Authorization',
        got: header === undefined ? 'nothing' : 'a value that is not shown',
        expected: 'Bearer and a token of this Kiln',
      },
    ],
    headers: {
      'WWW-Authenticate': token === undefined ? 'Bearer realm="kiln"' : 'Bearer realm="kiln", error="invalid_token"',
    },
  });
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
