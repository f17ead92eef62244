import type { ChangedPaths, KilnConfig, KilnImage, KilnTriggers, RepoSettings } from '@kiln/contracts';
import { matchGlobs, splitReference } from '@kiln/domain';
import type { Occasion } from './occasion.ts';

/** The filter that excluded an image: the value it was applied to, and the patterns that would have let it pass. */
export interface Skip {
  readonly filter:
    | 'event'
    | 'check'
    | 'push'
    | 'branches'
    | 'tags'
    | 'pull_request'
    | 'forks'
    | 'paths'
    | 'paths-ignore';
  readonly value: string;
  readonly patterns: readonly string[];
  readonly why: string;
}

/** Returns the first filter that excludes an image, or notes about the filters that it passed. */
export function firstSkip(
  image: KilnImage,
  config: KilnConfig,
  occasion: Occasion,
  settings: RepoSettings,
): { readonly skip: Skip } | { readonly notes: readonly string[] } {
  if (occasion.only !== undefined && occasion.only !== image.name) {
    return skip('check', occasion.only, [image.name], `the re-run is for ${occasion.only} only`);
  }
  const on = image.on ?? config.on ?? {};
  const trigger = occasion.on === 'pull_request' ? pullRequestSkip(on, occasion, settings) : pushSkip(on, occasion);
  if (trigger) return { skip: trigger };
  if (occasion.on === 'tag' || occasion.byHand || occasion.closed) return { notes: [] };
  return pathSkip(image, occasion.changed);
}

function skip(filter: Skip['filter'], value: string, patterns: readonly string[], why: string): { skip: Skip } {
  return { skip: { filter, value, patterns, why } };
}

function pushSkip(on: KilnTriggers, { on: kind, name }: Occasion): Skip | undefined {
  const what = kind === 'tag' ? 'tag' : 'branch';
  if (on.push === undefined) return skip('push', name, [], 'it isn’t built on pushes').skip;
  const { branches, tags } = on.push ?? {};
  const [filter, patterns, other] =
    kind === 'tag' ? (['tags', tags, branches] as const) : (['branches', branches, tags] as const);
  if (patterns === undefined) {
    const others = kind === 'tag' ? 'branches' : 'tags';
    return other === undefined ? undefined : skip(filter, name, [], `it is built on pushes of ${others} only`).skip;
  }
  return globSkip(filter, what, patterns, name);
}

function pullRequestSkip(on: KilnTriggers, { name, fork, byHand }: Occasion, settings: RepoSettings): Skip | undefined {
  if (on.pull_request === undefined) return skip('pull_request', name, [], 'it isn’t built on pull requests').skip;
  const { branches, forks } = on.pull_request ?? {};
  if (fork && settings.forks === 'ignore') {
    return skip('forks', 'a fork', [], 'the server doesn’t build pull requests from forks of this repository').skip;
  }
  if (fork && forks === 'ignore')
    return skip('forks', 'a fork', [], 'the configuration ignores pull requests from forks').skip;
  // The re-run of a fork's check names no branch. The first run has passed this filter.
  if (branches === undefined || (byHand && name === '')) return undefined;
  return globSkip('branches', 'base branch', branches, name);
}

function globSkip(filter: Skip['filter'], what: string, patterns: readonly string[], name: string): Skip | undefined {
  const { matches, by } = matchGlobs(patterns, name);
  if (matches) return undefined;
  const why =
    by === undefined
      ? `${what} ${name} matches none of ${patterns.join(', ')}`
      : `${what} ${name} is excluded by ${by}`;
  return skip(filter, name, patterns, why).skip;
}

function pathSkip(image: KilnImage, changed: ChangedPaths): { skip: Skip } | { notes: readonly string[] } {
  const { paths, 'paths-ignore': ignore } = image;
  if (paths === undefined && ignore === undefined) return { notes: [] };
  const wanted = (path: string) =>
    (paths === undefined || matchGlobs(paths, path).matches) &&
    !(ignore !== undefined && matchGlobs(ignore, path).matches);
  const found = changed.paths.find(wanted);
  if (found !== undefined) return { notes: [`${found} changed`] };
  if (!changed.complete) return { notes: [`paths unknown, so it is built: ${changed.reason}`] };
  const shown = shorten(changed.paths);
  const outside = paths !== undefined && !changed.paths.some((path) => matchGlobs(paths, path).matches);
  return outside
    ? skip('paths', shown, paths, `no changed path (${shown}) matches ${paths.join(', ')}`)
    : skip('paths-ignore', shown, ignore ?? [], `all changed paths (${shown}) are excluded by paths-ignore`);
}

const SHOWN_PATHS = 5;

function shorten(paths: readonly string[]): string {
  const rest = paths.length - SHOWN_PATHS;
  return [...paths.slice(0, SHOWN_PATHS), ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}

/** Whether an untrusted build may push this image reference. Only the server can allow that, not the repository's file. */
export function mayPushUntrusted(reference: string, settings: Pick<RepoSettings, 'untrustedPush'>): boolean {
  const { name } = splitReference(reference);
  return settings.untrustedPush !== undefined && matchGlobs(settings.untrustedPush, name).matches;
}
