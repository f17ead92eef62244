import { createHash, timingSafeEqual } from 'node:crypto';
import { ALL_TEAMS, LOCAL_ADMIN, type Principal } from '@kiln/domain';

/** Who has the join token that the API was given. */
export const JOIN_TOKEN: Principal = {
  kind: 'worker',
  id: 'join-token',
  name: 'join token',
  team: ALL_TEAMS,
  scopes: [],
  trust: 'trusted',
};

/**
 * Finds whom a token stands for that this process was given by its settings. Takes as long for a wrong one as for a right one: all
 * are compared, by hashes, which are of one length and tell nothing of the length of a token.
 */
export function localTokens(
  admins: readonly string[],
  workers: readonly string[],
): (token: string) => Principal | undefined {
  const known = [
    ...admins.map((token) => ({ hash: sha256(token), principal: LOCAL_ADMIN })),
    ...workers.map((token) => ({ hash: sha256(token), principal: JOIN_TOKEN })),
  ];
  return (token) => {
    const given = sha256(token);
    return known.filter(({ hash }) => timingSafeEqual(hash, given))[0]?.principal;
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
