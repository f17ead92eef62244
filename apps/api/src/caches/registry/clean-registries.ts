import type { CleanAnswer, CleanedReference } from '@kiln/contracts';
import { type ImageReference, parseReference, repositoryName } from '@kiln/domain';
import { type BuildSecretReader, type CacheReference, type CacheReferences, SecretsUnavailable } from '@kiln/state';
import { DeletionUnsupported, RegistryClient, RegistryFailed } from './registry-client.ts';

export interface CleanDeps {
  readonly references: Pick<CacheReferences, 'list' | 'get' | 'forget' | 'refusedBy' | 'acceptedBy' | 'refusing'>;
  /** Opens the logins that the team's builds have. */
  readonly secrets: Pick<BuildSecretReader, 'read'>;
  readonly fetch: typeof globalThis.fetch;
}

export interface CleanOptions {
  /** ms since the epoch. */
  readonly unusedSince: number;
  readonly now: number;
  /** Only references of this team. */
  readonly team?: string | undefined;
  readonly dryRun?: boolean;
  /** How long a registry that deletes nothing isn't asked again, ms. 0: it is asked. */
  readonly refusedForMs: number;
}

/**
 * Deletes references of caches that no build has used since `unusedSince`: only those that builds have written, that still hold caches of BuildKit, and
 * whose manifest isn't that of a reference in use.
 */
export async function cleanRegistries(
  { references, secrets, fetch }: CleanDeps,
  options: CleanOptions,
  signal: AbortSignal,
): Promise<CleanAnswer> {
  const { unusedSince, now, team, dryRun = false, refusedForMs } = options;
  const all = await references.list();
  const refusing = new Map(await references.refusing());
  const cleaned: CleanedReference[] = [];
  const unused = all.filter((one) => one.usedAt < unusedSince && (team === undefined || one.team === team));
  for (const one of unused) {
    if (signal.aborted) break;
    cleaned.push({ team: one.team, ref: one.ref, usedAt: new Date(one.usedAt).toISOString(), ...(await clean(one)) });
  }
  return { references: cleaned, omitted: unused.length - cleaned.length };

  async function clean(one: CacheReference): Promise<Pick<CleanedReference, 'result' | 'detail'>> {
    const reference = parseReference(one.ref);
    if (!reference) return { result: 'failed', detail: 'it is not a reference' };
    const { domain } = reference;
    const refusedAt = refusing.get(domain);
    if (refusedAt !== undefined && now - refusedAt < refusedForMs) return unsupported(domain, refusedAt);
    try {
      const client = new RegistryClient(fetch, await loginFor(one, domain));
      const manifest = await client.manifest(reference);
      if (!manifest?.isCache) {
        if (!dryRun) await references.forget(one.team, one.ref);
        return manifest ? { result: 'not_a_cache' } : { result: 'gone' };
      }
      const sharer = await inUseAs(client, reference, manifest.digest);
      if (sharer !== undefined) return { result: 'kept', detail: `${sharer} has the same manifest and is in use` };
      // A build may have used it meanwhile.
      const latest = await references.get(one.team, one.ref);
      if (!latest || latest.usedAt >= unusedSince) return { result: 'kept', detail: 'a build has used it just now' };
      if (dryRun) return { result: 'would_delete' };
      const existed = await client.delete(reference, manifest.digest);
      await references.acceptedBy(domain);
      await references.forget(one.team, one.ref);
      return { result: existed ? 'deleted' : 'gone' };
    } catch (error) {
      if (error instanceof DeletionUnsupported) {
        await references.refusedBy(domain, now);
        refusing.set(domain, now);
        return { result: 'unsupported', detail: `the registry deletes no manifests: ${error.message}` };
      }
      // The login can't be opened.
      if (error instanceof SecretsUnavailable || error instanceof RegistryFailed)
        return { result: 'failed', detail: error.message };
      throw error;
    }
  }

  /** A manifest is deleted with all its tags, so another one that is in use would be lost. */
  async function inUseAs(
    client: RegistryClient,
    reference: ImageReference,
    digest: string,
  ): Promise<string | undefined> {
    for (const { ref, usedAt } of all) {
      const other = usedAt < unusedSince ? undefined : parseReference(ref);
      if (!other || repositoryName(other) !== repositoryName(reference)) continue;
      if ((await client.manifest(other))?.digest === digest) return ref;
    }
    return undefined;
  }

  async function loginFor({ team: of, repo, trust }: CacheReference, domain: string) {
    const { logins } = await secrets.read({ team: of, repo, trust, named: [] });
    return logins.find(({ host }) => host === domain);
  }
}

function unsupported(registry: string, at: number): Pick<CleanedReference, 'result' | 'detail'> {
  return {
    result: 'unsupported',
    detail: `${registry} deletes no manifests (since ${new Date(at).toISOString()}); use its own rules for retention`,
  };
}
