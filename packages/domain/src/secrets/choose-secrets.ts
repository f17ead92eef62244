import type { Trust } from '../access/principal.ts';
import type { SecretInfo, SecretKind } from './stored-secret.ts';

/** A stored secret that a build asks for: `id` is its name in the build, `name` the stored one. */
export interface SecretRef {
  readonly id: string;
  readonly name: string;
}

export interface WantedSecrets {
  /** As returned by `repoOrigin`. */
  readonly repo: string;
  readonly trust: Trust;
  readonly named: readonly SecretRef[];
}

export interface ChosenSecrets<T extends SecretInfo> {
  readonly named: readonly { readonly ref: SecretRef; readonly secret: T }[];
  /** Secrets that the build can't get: they don't exist, or aren't for untrusted builds. */
  readonly refused: readonly { readonly ref: SecretRef; readonly why: 'missing' | 'withheld' }[];
  /** At most one for each host. Builds get them without asking. */
  readonly logins: readonly T[];
  readonly gitTokens: readonly T[];
}

/**
 * Chooses which of a team's secrets a build gets. A repo's own secret replaces the team's of the same name, even for an untrusted build that may
 * have only the team's: a value that was replaced for a repo must not become available to its forks again.
 */
export function chooseSecrets<T extends SecretInfo>(all: readonly T[], wanted: WantedSecrets): ChosenSecrets<T> {
  const { repo, trust, named } = wanted;
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
