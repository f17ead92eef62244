import type { ChangedPaths, KilnConfig, KilnImage, KilnTriggers, RepoSettings } from '@kiln/contracts';
import { matchGlobs, splitReference } from '@kiln/domain';
import type { Occasion } from './occasion.ts';

/** The filter that said no: what it was held against, and what it would have let through. */
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

/** The first filter that keeps an image from being built, or what is worth noting though none does. */
export function firstSkip(
  image: KilnImage,
  config: KilnConfig,
  occasion: Occasion,
  settings: RepoSettings,
): { readonly skip: Skip } | { readonly notes: readonly string[] } {
  if (occasion.only !== undefined && occasion.only !== image.name) {
    return skip('check', occasion.only, [image.name], `only ${occasion.only} was asked to run again`);
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
  if (on.push === undefined) return skip('push', name, [], 'it isn’t built on push').skip;
  const { branches, tags } = on.push ?? {};
  const [filter, patterns, other] =
    kind === 'tag' ? (['tags', tags, branches] as const) : (['branches', branches, tags] as const);
  if (patterns === undefined) {
    const others = kind === 'tag' ? 'branches' : 'tags';
    return other === undefined ? undefined : skip(filter, name, [], `it is built on push of ${others} only`).skip;
  }
  return globSkip(filter, what, patterns, name);
}

function pullRequestSkip(on: KilnTriggers, { name, fork, byHand }: Occasion, settings: RepoSettings): Skip | undefined {
  if (on.pull_request === undefined) return skip('pull_request', name, [], 'it isn’t built on pull requests').skip;
  const { branches, forks } = on.pull_request ?? {};
  if (fork && settings.forks === 'ignore') {
    return skip('forks', 'a fork', [], 'the server builds no pull requests from forks of this repository').skip;
  }
  if (fork && forks === 'ignore') return skip('forks', 'a fork', [], 'pull requests from forks are to be ignored').skip;
  // A fork's re-run names no branch; the first run has been through this filter.
  if (branches === undefined || (byHand && name === '')) return undefined;
  return globSkip('branches', 'base branch', branches, name);
}

function globSkip(filter: Skip['filter'], what: string, patterns: readonly string[], name: string): Skip | undefined {
  const { matches, by } = matchGlobs(patterns, name);
  if (matches) return undefined;
  const why =
    by === undefined
      ? `${what} ${name} matches none of ${patterns.join(', ')}`
      : `${what} ${name} is taken out by ${by}`;
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
    : skip('paths-ignore', shown, ignore ?? [], `all changed paths (${shown}) are taken out by paths-ignore`);
}

const SHOWN_PATHS = 5;

function shorten(paths: readonly string[]): string {
  const rest = paths.length - SHOWN_PATHS;
  return [...paths.slice(0, SHOWN_PATHS), ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}

/** Whether an untrusted build may push to this reference; registries are opened to them by the server only. */
export function mayPushUntrusted(reference: string, settings: RepoSettings): boolean {
  const { name } = splitReference(reference);
  return settings.untrustedPush !== undefined && matchGlobs(settings.untrustedPush, name).matches;
}
