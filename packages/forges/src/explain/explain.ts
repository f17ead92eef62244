import type { ForgeEvent, KilnConfig, RepoSettings } from '@kiln/contracts';
import { firstSkip, type Skip } from './filters.ts';
import { occasionOf } from './occasion.ts';
import { concurrencyKey, type PlannedBuild, planBuild } from './plan-build.ts';

export type ImageVerdict =
  | ({ readonly image: string; readonly outcome: 'build' } & PlannedBuild)
  | { readonly image: string; readonly outcome: 'cancel'; readonly concurrencyKey: string; readonly why: string }
  | ({ readonly image: string; readonly outcome: 'skip' } & Skip);

/** What an event builds, and why it doesn't build the rest. `none`: why no image was considered. */
export interface Explanation {
  readonly event: string;
  readonly none?: string;
  readonly images: readonly ImageVerdict[];
}

/**
 * Explains which builds an event makes, and for every other image which filter excluded it first. `config` is null if the repository has no
 * file; then the server's configuration applies. As long as not all changed paths are known, path filters exclude nothing: get the paths
 * from git, add them to the event, and call this again.
 */
export function explain(
  event: ForgeEvent,
  config: KilnConfig | null,
  settings: RepoSettings,
  nowMs: number,
): Explanation {
  const said = summary(event);
  const chosen = config ?? settings.config;
  const occasion = occasionOf(event, settings);
  if ('none' in occasion) return { event: said, none: occasion.none, images: [] };
  if (!chosen) {
    return {
      event: said,
      none: `there is no ${settings.configPath}, and the server has no configuration for this repository`,
      images: [],
    };
  }
  const images = chosen.images.map((image): ImageVerdict => {
    const filtered = firstSkip(image, chosen, occasion, settings);
    if ('skip' in filtered) return { image: image.name, outcome: 'skip', ...filtered.skip };
    if (occasion.closed) {
      const why = 'the pull request was closed';
      return { image: image.name, outcome: 'cancel', concurrencyKey: concurrencyKey(image.name, occasion), why };
    }
    const plan = planBuild(image, occasion, settings, nowMs);
    return { image: image.name, outcome: 'build', ...plan, notes: [...filtered.notes, ...plan.notes] };
  });
  return { event: said, images };
}

/** Describes an event in one line. */
function summary(event: ForgeEvent): string {
  switch (event.type) {
    case 'ping':
      return `${event.forge}: ping`;
    case 'ignored':
      return `${event.forge}: ignored`;
    case 'push':
      return `${event.forge}: push to ${event.branch} of ${event.repository.fullName}${at(event.after)}`;
    case 'tag':
      return `${event.forge}: tag ${event.tag} of ${event.repository.fullName}${at(event.commit)}`;
    case 'pull_request': {
      const fork = event.head.repository ? `the fork ${event.head.repository.fullName}` : 'a deleted fork';
      const from = event.fork ? fork : event.head.branch;
      return `${event.forge}: pull request ${event.number} of ${event.repository.fullName} ${event.action}, into ${event.base.branch} from ${from}${at(event.head.commit)}`;
    }
    case 'rerun':
      return `${event.forge}: re-run of ${event.check?.name ?? 'all checks'} of ${event.repository.fullName}${at(event.commit)}`;
  }
}

function at(commit: string | null): string {
  return commit === null ? ', deleted' : ` at ${commit.slice(0, 12)}`;
}
