import type { ForgeEvent, ForgeRepository } from '@kiln/contracts';
import type { Subject } from '@kiln/state';

/** An event that happened in a repository. */
export type RepositoryEvent = Extract<ForgeEvent, { readonly repository: ForgeRepository }>;

/** Commits and builds that are remembered of a subject. */
const MAX_PAST = 50;
const MAX_BUILDS = 200;

/** Names the branch, tag or pull request that an event is about. */
export function subjectOf(connection: string, event: RepositoryEvent): string {
  return JSON.stringify([connection, event.repository.fullName, placeOf(event)]);
}

function placeOf(event: RepositoryEvent): string {
  switch (event.type) {
    case 'push':
      return `branch ${event.branch}`;
    case 'tag':
      return `tag ${event.tag}`;
    case 'pull_request':
      return `pull ${event.number}`;
    case 'rerun': {
      const [pull] = event.pullRequests;
      if (pull) return `pull ${pull.number}`;
      return event.branch === null ? `commit ${event.commit}` : `branch ${event.branch}`;
    }
  }
}

/**
 * Why an event comes too late, or undefined: one that happened after it has counted already. Forges don't keep the order of webhooks. A
 * push says where the branch was before: by that, one that the branch has gone past since is known, and one that takes the branch
 * back on purpose is not taken for it. Of pull requests the forge's own time of the last change decides. Where neither tells, what
 * came first was first.
 */
export function lateness(subject: Subject, event: RepositoryEvent, delivery: string): string | undefined {
  const arrivedEarlier = subject.newest !== undefined && delivery < subject.newest;
  switch (event.type) {
    case 'push': {
      if (event.after === null || event.after === subject.tip) return undefined;
      if (event.before !== null && event.before === subject.tip) return undefined;
      if (!arrivedEarlier && !subject.past.includes(event.after)) return undefined;
      return `a newer push of ${event.branch}, to ${subject.tip?.slice(0, 12)}, came before this one`;
    }
    case 'pull_request': {
      const { updatedAt = 0 } = event;
      const known = subject.updatedAt ?? 0;
      if (updatedAt > known || (updatedAt === known && !arrivedEarlier)) return undefined;
      return `something newer of pull request ${event.number} came before this`;
    }
    case 'tag':
    case 'rerun':
      return undefined;
  }
}

/**
 * Why an event is taken for a repeat, or undefined. Its bytes are those of the delivery `original`, sent once more under another id, which
 * forges don't sign: whoever has seen a webhook can do that. A push to a commit that the branch has left since may come again by itself,
 * in the same bytes, when the branch is put back; where the branch really is has to be asked of git.
 */
export function repeatOf(subject: Subject, event: RepositoryEvent, original: string | undefined): string | undefined {
  if (original === undefined) return undefined;
  if (event.type === 'push' && event.after !== subject.tip) return undefined;
  return `the same webhook was delivered before, as ${original}`;
}

/** The subject after an event that made `builds`; one that came too late leaves the order as it is. */
export function advance(
  subject: Subject,
  event: RepositoryEvent,
  {
    delivery,
    builds,
    isLate,
  }: { readonly delivery: string; readonly builds: readonly string[]; readonly isLate: boolean },
): Subject {
  const all = { ...subject, builds: [...new Set([...subject.builds, ...builds])].slice(-MAX_BUILDS) };
  if (isLate || event.type === 'rerun' || event.type === 'tag') return all;
  const newest = subject.newest !== undefined && subject.newest > delivery ? subject.newest : delivery;
  if (event.type === 'pull_request') {
    const updatedAt = Math.max(subject.updatedAt ?? 0, event.updatedAt ?? 0);
    return { ...all, newest, updatedAt, closed: event.action === 'closed' };
  }
  if (event.after === null || event.after === subject.tip) return { ...all, newest };
  const left = [subject.tip, event.before ?? undefined].filter((one) => one !== undefined);
  const past = [...subject.past, ...left].filter((one) => one !== event.after);
  return { ...all, newest, tip: event.after, past: [...new Set(past)].slice(-MAX_PAST) };
}
