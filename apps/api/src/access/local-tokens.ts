import { createHash, timingSafeEqual } from 'node:crypto';
import { ALL_TEAMS, LOCAL_ADMIN, type Principal } from '@kiln/domain';

/** The bearer of a join token from the API's settings. */
export const JOIN_TOKEN: Principal = {
  kind: 'worker',
  id: 'join-token',
  name: 'join token',
  team: ALL_TEAMS,
  scopes: [],
  trust: 'trusted',
};

/**
 * Looks up the principal of a token from this process's settings. Runs in constant time: every known token is compared, by hashes of
 * equal length.
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
