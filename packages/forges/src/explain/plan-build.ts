import { createHash } from 'node:crypto';
import { type BuildRequestInput, cacheOfMode, type KilnImage, type RepoSettings } from '@kiln/contracts';
import { repoKey, trimEnd } from '@kiln/domain';
import { mayPushUntrusted } from './filters.ts';
import type { Occasion } from './occasion.ts';
import { renderTags } from './render-tags.ts';

/** A build request that always has a concurrency key, even if it supersedes nothing. */
export interface PlannedRequest extends BuildRequestInput {
  /** Builds with the same key supersede each other. Names the builds to cancel when a pull request is closed. */
  readonly concurrencyKey: string;
  readonly supersede?: 'queued' | 'running';
  readonly cacheScope?: 'team' | 'pool';
}

export interface PlannedBuild {
  readonly trust: 'trusted' | 'untrusted';
  readonly request: PlannedRequest;
  /** The stored secrets that the build gets: id in the build → name on the server. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  /** The configuration wants every push built, even if the branch has moved on in the meantime. */
  readonly everyPush: boolean;
}

/** Plans the build of an image. Removes what an untrusted build may not have, and notes what was removed. */
export function planBuild(image: KilnImage, occasion: Occasion, settings: RepoSettings, nowMs: number): PlannedBuild {
  const { subdir, supersede } = { subdir: subdirOf(image.context), supersede: supersedeOf(image, occasion) };
  const pushed = pushOf(image, occasion, settings, nowMs);
  const secrets = secretsOf(image);
  const byDefault =
    image.cache || !settings.cacheMode ? undefined : cacheByDefault(settings.cacheMode, pushed.tags, occasion);
  const cache = byDefault?.cache ?? cacheOf(image, occasion);
  const withheld = occasion.fork ? Object.keys(secrets) : [];
  const urgent = occasion.fork && image.priority === 'interactive';
  return {
    trust: occasion.fork ? 'untrusted' : 'trusted',
    everyPush: image.supersede === 'none',
    secrets: occasion.fork ? {} : secrets,
    notes: [
      ...pushed.notes,
      ...(byDefault?.notes ?? []),
      ...(withheld.length > 0 ? [`secrets withheld from a fork: ${withheld.join(', ')}`] : []),
      ...(urgent ? ['priority normal instead of interactive: the pull request comes from a fork'] : []),
    ],
    request: {
      source: { type: 'git', ...occasion.source, ...(subdir !== undefined && { subdir }) },
      team: settings.team,
      dockerfile: image.dockerfile,
      ...(image.target !== undefined && { target: image.target }),
      buildArgs: image.buildArgs,
      labels: image.labels,
      platforms: image.platforms,
      tags: [...pushed.tags],
      output: { type: pushed.tags.length > 0 && image.output === 'push' ? 'push' : 'none' },
      timeoutSeconds: image.timeoutSeconds,
      ...(image.queueTimeoutSeconds !== undefined && { queueTimeoutSeconds: image.queueTimeoutSeconds }),
      ...(image.waitForHost !== undefined && { waitForHost: image.waitForHost }),
      priority: urgent ? 'normal' : image.priority,
      weight: image.weight,
      hostLabels: image.hostLabels,
      ...(!occasion.fork && image.secrets.length > 0 && { storedSecrets: image.secrets }),
      concurrencyKey: concurrencyKey(image.name, occasion),
      ...(supersede !== 'none' && { supersede }),
      ...(image.cacheScope !== 'repo' && { cacheScope: image.cacheScope }),
      ...(cache && { cache }),
      ...(image.mtimes !== 'stable' && { mtimes: image.mtimes }),
    },
  };
}

function pushOf(image: KilnImage, occasion: Occasion, settings: RepoSettings, nowMs: number) {
  const { tags, notes } = renderTags(image, occasion, nowMs);
  if (image.output !== 'push') return { tags, notes };
  const allowed = occasion.fork ? tags.filter((tag) => mayPushUntrusted(tag, settings)) : tags;
  const refused = tags.filter((tag) => !allowed.includes(tag));
  return {
    tags: allowed,
    notes: [
      ...notes,
      ...(refused.length > 0 ? [`not pushed from a fork: ${refused.join(', ')}`] : []),
      ...(allowed.length === 0 ? ['built but not pushed: no tags are left'] : []),
    ],
  };
}

/** The caches of an image whose file names none, by a default of the server. */
export function cacheByDefault(
  mode: NonNullable<RepoSettings['cacheMode']>,
  tags: readonly string[],
  occasion: Occasion,
): { readonly cache: NonNullable<KilnImage['cache']>; readonly notes: readonly string[] } {
  const cache = cacheOf({ cache: cacheOfMode(mode, tags) }, occasion) ?? { mode: 'warm' };
  const lacksTag = mode === 'registry' && cache.mode === 'warm';
  const note = 'cache mode warm instead of registry: there is no tag beside which the caches could be kept';
  return { cache, notes: lacksTag ? [note] : [] };
}

/** The image's caches. An archive is named after the branch or pull request, and a fork's build exports nothing that the file names. */
function cacheOf({ cache }: Pick<KilnImage, 'cache'>, { fork, on, name, pr }: Occasion): KilnImage['cache'] {
  if (!cache) return undefined;
  const { to, ...rest } = cache;
  if (cache.mode === 'archive' && cache.key === undefined && !/\s/.test(name)) {
    return on === 'pull_request' && pr !== undefined
      ? {
          ...rest,
          key: `pull/${pr}`,
          fallbackKeys: [...(cache.fallbackKeys ?? []), ...(name === '' ? [] : [name])].slice(0, 8),
        }
      : { ...rest, ...(name !== '' && { key: name }) };
  }
  if (!fork || to === undefined) return cache;
  // Without locations, `registry` would need a tag.
  return { ...rest, ...(cache.mode === 'registry' && rest.from === undefined && { from: to }) };
}

function supersedeOf(image: KilnImage, { on, byHand }: Occasion): 'none' | 'queued' | 'running' {
  if (on === 'tag' || byHand) return 'none';
  return image.supersede ?? (on === 'pull_request' ? 'running' : 'none');
}

function secretsOf(image: KilnImage): Record<string, string> {
  return Object.fromEntries(
    image.secrets.map((secret) => (typeof secret === 'string' ? [secret, secret] : [secret.id, secret.name])),
  );
}

function subdirOf(context: string): string | undefined {
  const path = trimEnd(context.replace(/^(?:\.\/)+/, ''), '/');
  return path === '.' || path === '' ? undefined : path;
}

const MAX_KEY_CHARS = 200;

/** A key such as `github.com/acme/app#api@pull/42`. Long ones, and those with other characters, end in a hash. */
export function concurrencyKey(image: string, { on, name, pr, origin, commit }: Occasion): string {
  const where = on === 'pull_request' ? `pull/${pr ?? commit}` : `${on}/${name}`;
  const key = `${repoKey({ origin, dockerfile: 'Dockerfile' })}#${image}@${where}`;
  const plain = key.replace(/[^A-Za-z0-9._:/#@-]/g, '-');
  if (plain === key && key.length <= MAX_KEY_CHARS) return key;
  return `${plain.slice(0, MAX_KEY_CHARS - 17)}-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;
}
