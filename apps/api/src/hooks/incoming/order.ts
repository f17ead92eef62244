import type { ForgeEvent, ForgeRepository } from '@kiln/contracts';
import type { Subject } from '@kiln/state';

/** An event of a repository. */
export type RepositoryEvent = Extract<ForgeEvent, { readonly repository: ForgeRepository }>;

/** How many commits and builds of a subject are remembered. */
const MAX_PAST = 50;
const MAX_BUILDS = 200;

/** Names the branch, tag or pull request that an event is about. */
export function subjectOf(connection: string, event: RepositoryEvent): string {
  return JSON.stringify([connection, event.repository.fullName, placeOf(event)]);
}

/** Whether an event's subject is a pull request. */
export function isAboutPullRequest(event: RepositoryEvent): boolean {
  return event.type === 'pull_request' || (event.type === 'rerun' && event.pullRequests.length > 0);
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
 * Returns why an event is late, or undefined if it isn't. An event is late if a later one of its subject was processed before it: forges
 * don't deliver webhooks in order. A push names the commit where the branch was before, which tells a push that the branch has moved past
 * from one that moves the branch back on purpose. For pull requests, the forge's time of the last change decides. If neither helps, the
 * order of arrival does.
 */
export function lateness(subject: Subject, event: RepositoryEvent, delivery: string): string | undefined {
  const arrivedEarlier = subject.newest !== undefined && delivery < subject.newest;
  switch (event.type) {
    case 'push': {
      if (event.after === null || event.after === subject.tip) return undefined;
      if (event.before !== null && event.before === subject.tip) return undefined;
      if (!arrivedEarlier && !subject.past.includes(event.after)) return undefined;
      return `a newer push of ${event.branch}, to ${subject.tip?.slice(0, 12)}, arrived before this one`;
    }
    case 'pull_request': {
      const { updatedAt = 0 } = event;
      const known = subject.updatedAt ?? 0;
      if (updatedAt > known || (updatedAt === known && !arrivedEarlier)) return undefined;
      return `a newer event of pull request ${event.number} arrived before this one`;
    }
    case 'tag':
    case 'rerun':
      return undefined;
  }
}

/**
 * Returns why an event is taken for a repeat, or undefined if it isn't. It has the same bytes as the delivery `original`, but another id.
 * Forges don't sign ids, so anyone who has seen a webhook can replay it. The exception is a push to a commit that the branch has left since:
 * moving the branch back causes the same bytes again. Whether that happened is up to git (`movedOn`).
 */
export function repeatOf(subject: Subject, event: RepositoryEvent, original: string | undefined): string | undefined {
  if (original === undefined) return undefined;
  if (event.type === 'push' && event.after !== subject.tip) return undefined;
  return `the same webhook was delivered before, as ${original}`;
}

/** The subject after an event that made `builds`. A late event only adds its builds. */
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
