import type { SecretView } from '@kiln/contracts';
import type { FlagTable, FlagValues } from '../../framework/flags.ts';
import type { Io } from '../../io/output.ts';

/** Flags that name the owner of a secret. */
export const OWNER_FLAGS = {
  team: { kind: 'text', value: 'NAME', help: 'Team that owns the secret (default: $KILN_TEAM, or your own team)' },
  repo: {
    kind: 'text',
    short: 'r',
    value: 'REPO',
    help: 'Limit the secret to builds of this repository, such as github.com/acme/app or its URL',
  },
} as const satisfies FlagTable;

export const UNTRUSTED_FLAG = {
  'untrusted-ok': {
    kind: 'bool',
    help: 'Also give it to untrusted builds, such as pull requests from forks; their authors can read it',
  },
} as const satisfies FlagTable;

export function ownerOf({ team: given, repo }: FlagValues<typeof OWNER_FLAGS>, { env }: Io) {
  const team = given ?? (env.KILN_TEAM || undefined);
  return { ...(team !== undefined && { team }), ...(repo !== undefined && { repo }) };
}

/** Describes the owner of a secret: `team web`, or `repo github.com/acme/app of team web`. */
export function ownerText({ team, repo }: Pick<SecretView, 'team' | 'repo'>): string {
  return repo === undefined ? `team ${team}` : `repo ${repo} of team ${team}`;
}

/** Confirms that a secret was stored, with a warning if logs won't mask it. */
export function printStored(io: Io, asJson: boolean | undefined, secret: SecretView, what: string): void {
  if (!secret.masked) {
    io.err.line('kiln: the value is shorter than 4 characters, so logs will not mask it');
  }
  io.out.line(
    asJson
      ? JSON.stringify(secret)
      : `${what} set for ${ownerText(secret)}${secret.untrustedOk ? ', also for untrusted builds' : ''}`,
  );
}
