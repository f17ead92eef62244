import type { Trust } from '../access/principal.ts';
import type { SecretInfo, SecretKind } from './stored-secret.ts';

/** A secret that a build asks for: `id` in the build, `name` where it is kept. */
export interface SecretRef {
  readonly id: string;
  readonly name: string;
}

export interface SecretWishes {
  /** As `repoOrigin` has it. */
  readonly repo: string;
  readonly trust: Trust;
  readonly named: readonly SecretRef[];
}

export interface ChosenSecrets<T extends SecretInfo> {
  readonly named: readonly { readonly ref: SecretRef; readonly secret: T }[];
  /** Asked for, and not to be had: there is none, or it isn't for untrusted builds. */
  readonly refused: readonly { readonly ref: SecretRef; readonly why: 'missing' | 'withheld' }[];
  /** At most one for each host. Nobody asks for them: they are there where they are needed. */
  readonly logins: readonly T[];
  readonly gitTokens: readonly T[];
}

/**
 * Which of a team's secrets a build gets. The repo's own go before the team's of the same name, also where an untrusted build may have the
 * team's alone: a value that somebody has put in another's place must not come back by a fork.
 */
export function chooseSecrets<T extends SecretInfo>(all: readonly T[], wishes: SecretWishes): ChosenSecrets<T> {
  const { repo, trust, named } = wishes;
  const within = (kind: SecretKind) => {
    const byName = new Map<string, T>();
    for (const secret of all) {
      if (secret.kind !== kind || (secret.repo !== undefined && secret.repo !== repo)) continue;
      if (secret.repo !== undefined || !byName.has(secret.name)) byName.set(secret.name, secret);
    }
    return byName;
  };
  const mayHave = ({ untrustedOk }: T) => trust === 'trusted' || untrustedOk;
  const ofBuilds = within('build');
  const found = named.map((ref) => ({ ref, secret: ofBuilds.get(ref.name) }));
  return {
    named: found.flatMap(({ ref, secret }) => (secret && mayHave(secret) ? [{ ref, secret }] : [])),
    refused: found
      .filter(({ secret }) => !secret || !mayHave(secret))
      .map(({ ref, secret }) => ({ ref, why: secret ? 'withheld' : 'missing' })),
    logins: [...within('registry').values()].filter(mayHave),
    gitTokens: [...within('git').values()].filter(mayHave),
  };
}
