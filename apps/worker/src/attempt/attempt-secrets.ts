import { type BuildSpec, secretRepoOf, storedSecretsOf } from '@kiln/contracts';
import type { BuildRecord, Failure } from '@kiln/domain';
import {
  type BuildSecretReader,
  type BuildSecrets,
  type BuildStore,
  SealBroken,
  SecretsUnavailable,
} from '@kiln/state';
import { type CloneSecretDeps, cloneSecret } from './clone-secret.ts';

export interface SecretDeps extends CloneSecretDeps {
  readonly builds: Pick<BuildStore, 'secretsOf'>;
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

/** Reads an attempt's secrets: those sent with the build, its connection's present credentials, and its team's stored secrets in their current version. @throws NoSecrets */
export async function attemptSecrets(
  { builds, buildSecrets, persistent, ...deps }: SecretDeps,
  record: BuildRecord,
  spec: BuildSpec,
  signal: AbortSignal,
): Promise<BuildSecrets> {
  const { id, trust = 'trusted' } = record;
  const own = await ownSecrets(() => persistent(() => builds.secretsOf(id)));
  const wanted = { team: spec.team, repo: secretRepoOf(spec), trust, named: storedSecretsOf(spec) };
  try {
    const kept = await persistent(() => buildSecrets.read(wanted, Object.keys(own)));
    const fresh = await cloneSecret(deps, record, spec, signal);
    return {
      ...kept,
      values: new Map([...kept.values, ...Object.entries({ ...own, ...fresh.values })]),
      hidden: [...kept.hidden, ...fresh.hidden],
      warnings: [...kept.warnings, ...fresh.warnings],
    };
  } catch (error) {
    if (error instanceof SecretsUnavailable) throw new NoSecrets(error.failure);
    throw error;
  }
}

async function ownSecrets(read: () => ReturnType<BuildStore['secretsOf']>): Promise<Record<string, string>> {
  try {
    const own = await read();
    if (own) return own;
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw new NoSecrets({
      code: 'secrets_expired',
      message: `the build’s secrets are ${error.message}; submit the build again`,
    });
  }
  throw new NoSecrets({ code: 'secrets_expired', message: 'the build’s secrets have expired; submit the build again' });
}
