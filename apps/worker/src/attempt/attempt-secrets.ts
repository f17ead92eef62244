import type { RegistryLogin } from '@kiln/buildkit';
import { type BuildSpec, type ClientLogin, secretRepoOf, storedSecretsOf } from '@kiln/contracts';
import { type BuildRecord, type Failure, ignoredLogins } from '@kiln/domain';
import {
  type BuildSecretReader,
  type BuildSecrets,
  type BuildStore,
  SealBroken,
  SecretsUnavailable,
} from '@kiln/state';
import { type CloneSecretDeps, cloneSecret } from './clone-secret.ts';

export interface SecretDeps extends CloneSecretDeps {
  readonly builds: Pick<BuildStore, 'secretsOf' | 'loginsOf'>;
  readonly buildSecrets: Pick<BuildSecretReader, 'read'>;
  /** Repeats a call to the pool until it is accepted or refused. */
  persistent<T>(call: () => Promise<T>): Promise<T>;
}

/** The build can't get the secrets that it asks for, and fails with `failure`. */
export class NoSecrets extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export interface AttemptSecrets extends Omit<BuildSecrets, 'logins'> {
  /** At most one for each registry. */
  readonly logins: readonly RegistryLogin[];
}

/**
 * Reads an attempt's secrets: those sent with the build, its connection's present credentials, and its team's stored secrets in their current
 * version. The client's registry logins replace stored ones to the same registry.
 * @throws NoSecrets
 */
export async function attemptSecrets(
  { builds, buildSecrets, persistent, ...deps }: SecretDeps,
  record: BuildRecord,
  spec: BuildSpec,
  signal: AbortSignal,
): Promise<AttemptSecrets> {
  const { id, trust = 'trusted' } = record;
  const own = await sent('secrets', () => persistent(() => builds.secretsOf(id)));
  // The API checks this too. A build that reached the queue in another way gets none here.
  const clients =
    trust === 'trusted' && spec.clientLogins
      ? await sent('registry logins', () => persistent(() => builds.loginsOf(id)))
      : [];
  const ignored = spec.clientLogins && ignoredLogins(spec.clientLogins);
  const wanted = { team: spec.team, repo: secretRepoOf(spec), trust, named: storedSecretsOf(spec) };
  try {
    const kept = await persistent(() => buildSecrets.read(wanted, Object.keys(own)));
    const fresh = await cloneSecret(deps, record, spec, signal);
    return {
      ...kept,
      values: new Map([...kept.values, ...Object.entries({ ...own, ...fresh.values })]),
      logins: mergedLogins(clients, kept.logins),
      hidden: [...kept.hidden, ...fresh.hidden],
      warnings: [...(ignored ? [ignored] : []), ...kept.warnings, ...fresh.warnings],
    };
  } catch (error) {
    if (error instanceof SecretsUnavailable) throw new NoSecrets(error.failure);
    throw error;
  }
}

function mergedLogins(clients: readonly ClientLogin[], stored: BuildSecrets['logins']): RegistryLogin[] {
  const named = new Set(clients.map(({ registry }) => registry));
  return [
    ...clients.map(({ registry, username = '', password = '', identityToken, registryToken }) => ({
      ...{ host: registry, whose: 'client' as const },
      ...(identityToken !== undefined
        ? { identityToken }
        : registryToken !== undefined
          ? { registryToken }
          : { username, password }),
    })),
    ...stored.filter(({ host }) => !named.has(host)),
  ];
}

/** Returns what was sent with the build. @throws NoSecrets */
async function sent<T>(what: string, read: () => Promise<T | undefined>): Promise<T> {
  try {
    const found = await read();
    if (found) return found;
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw new NoSecrets({
      code: 'secrets_expired',
      message: `the build’s ${what} are ${error.message}; submit the build again`,
    });
  }
  throw new NoSecrets({ code: 'secrets_expired', message: `the build’s ${what} have expired; submit the build again` });
}
