import { TRUSTS, type Trust } from '@kiln/domain';
import type { FlagTable } from '../../framework/flags.ts';
import { FlagError } from '../../io/errors.ts';

/** Flags that say whose caches are meant. */
export const OWNER_FLAGS = {
  team: { kind: 'text', value: 'TEAM', help: 'Team of the repo (default: your own)' },
  trust: { kind: 'text', value: 'CLASS', help: 'Caches of trusted or untrusted builds (default: as your credential)' },
} as const satisfies FlagTable;

/** @throws FlagError */
export function ownerOf({ team, trust }: { team?: string | undefined; trust?: string | undefined }): {
  team?: string;
  trust?: Trust;
} {
  const known = TRUSTS.find((one) => one === trust);
  if (trust !== undefined && known === undefined)
    throw new FlagError(`--trust: got ${JSON.stringify(trust)}, expected ${TRUSTS.join(' or ')}`);
  return { ...(team !== undefined && { team }), ...(known && { trust: known }) };
}
