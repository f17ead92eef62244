import type { SecretView } from '@kiln/contracts';
import type { FlagValues } from '../../framework/flags.ts';
import type { Io } from '../../io/output.ts';

/** Whose secret it is. */
export const WHERE_FLAGS = {
  team: { kind: 'text', value: 'NAME', help: 'Team whose builds get it (default: $KILN_TEAM, else your own)' },
  repo: {
    kind: 'text',
    short: 'r',
    value: 'REPO',
    help: 'Only builds of this repository: github.com/acme/app, or its URL',
  },
} as const;

export const UNTRUSTED_FLAG = {
  'untrusted-ok': {
    kind: 'bool',
    help: 'Untrusted builds (forks’ pull requests) get it, too: their authors can read it',
  },
} as const;

export function whereOf({ team: given, repo }: FlagValues<typeof WHERE_FLAGS>, { env }: Io) {
  const team = given ?? (env.KILN_TEAM || undefined);
  return { ...(team !== undefined && { team }), ...(repo !== undefined && { repo }) };
}

/** `team web`, or `repo github.com/acme/app of team web`. */
export function whoseText({ team, repo }: Pick<SecretView, 'team' | 'repo'>): string {
  return repo === undefined ? `team ${team}` : `repo ${repo} of team ${team}`;
}

/** Says what was kept, and what to know of it. */
export function saySet(io: Io, asJson: boolean | undefined, secret: SecretView, what: string): void {
  if (!secret.masked) {
    io.err.line('kiln: the value is shorter than 4 characters: logs will not hide it');
  }
  io.out.line(asJson ? JSON.stringify(secret) : `${what} set for ${whoseText(secret)}${forWhom(secret)}`);
}

function forWhom({ untrustedOk }: SecretView): string {
  return untrustedOk ? ', untrusted builds too' : '';
}
