import { bytes, type CacheView } from '@kiln/contracts';
import { CACHE_KINDS, type CacheKind } from '@kiln/domain';
import { duration } from '../../io/ages.ts';
import { UsageError } from '../../io/errors.ts';
import { ownerText } from '../host/host-text.ts';

export const KIND_HELP = `Only this kind: ${CACHE_KINDS.join(', ')}; repeatable`;

/** Checks the values of `--kind`. @throws UsageError */
export function readKinds(given: readonly string[]): CacheKind[] {
  return given.map((text) => {
    const kind = CACHE_KINDS.find((one) => one === text);
    if (!kind) throw new UsageError(`--kind: got "${text}", expected ${CACHE_KINDS.join(', ')}`);
    return kind;
  });
}

/** Names the repos that use a cache: `app (web)`, or `app and 2 more`. */
export function reposText({ repos, kind }: CacheView): string {
  const [first, ...more] = repos;
  if (!first) return kind === 'tree' ? '-' : 'unknown';
  return more.length > 0 ? `${ownerText(first)} and ${more.length} more` : ownerText(first);
}

/** What a cache is, as a Dockerfile names it: the mount, with who shares it. */
export function cacheText({ mount, scope, kind }: CacheView): string {
  if (mount === undefined) return kind === 'tree' ? 'working trees' : 'layers';
  return scope === 'repo' || scope === undefined ? mount : `${mount} (shared by ${scope})`;
}

export function savedText(savedSeconds: number | undefined): string {
  return savedSeconds === undefined ? '-' : duration(savedSeconds * 1_000);
}

/** Names what a drop has freed: `2 caches, 1.20GB`. */
export function freedText(caches: number, freedBytes: number): string {
  return `${caches} ${caches === 1 ? 'cache' : 'caches'}, ${bytes(freedBytes)}`;
}
