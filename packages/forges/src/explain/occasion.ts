import type { ChangedPaths, ForgeEvent, PullRequestEvent, RepoSettings, RerunEvent } from '@kiln/contracts';

/** What an event asks to be built, whatever kind of event it was. */
export interface Occasion {
  readonly on: 'branch' | 'tag' | 'pull_request';
  /** The pushed branch, the tag, or the branch that the pull request goes into: what patterns are held against. */
  readonly name: string;
  /** Number of the pull request. */
  readonly pr?: number;
  /** What is built: a full commit id, but for Bitbucket's pull requests, which name the first digits only. */
  readonly commit: string;
  readonly source: { readonly url: string; readonly ref: string };
  /** The repository that the event came from; caches and keys are named by it, also for forks. */
  readonly origin: string;
  /** From a fork, or not known not to be. */
  readonly fork: boolean;
  /** Somebody asked for just this: path filters aren't asked. */
  readonly byHand: boolean;
  /** The only image that is meant, where a single check is to run again. */
  readonly only?: string;
  /** The pull request was closed: its builds are to be canceled. */
  readonly closed: boolean;
  readonly changed: ChangedPaths;
}

/** Prefix of the names under which images are reported to forges. */
export const CONTEXT_PREFIX = 'kiln/';

const NOT_ASKED: ChangedPaths = { complete: false, paths: [], reason: 'asked for by hand' };

/** The occasion that an event is, or why it is none. */
export function occasionOf(event: ForgeEvent, settings: RepoSettings): Occasion | { readonly none: string } {
  switch (event.type) {
    case 'ping':
      return { none: 'a ping: the forge tries the connection' };
    case 'ignored':
      return { none: event.reason };
    case 'push': {
      if (event.after === null) return { none: `branch ${event.branch} was deleted` };
      const url = settings.cloneUrl ?? event.repository.cloneUrl;
      const commit = event.after;
      const what = { on: 'branch', name: event.branch, changed: event.changed } as const;
      return { ...what, ...at(url, commit), fork: false, byHand: false, closed: false };
    }
    case 'tag': {
      if (event.commit === null) return { none: `tag ${event.tag} was deleted` };
      const url = settings.cloneUrl ?? event.repository.cloneUrl;
      const what = { on: 'tag', name: event.tag, changed: NOT_ASKED } as const;
      return { ...what, ...at(url, event.commit), fork: false, byHand: false, closed: false };
    }
    case 'pull_request':
      return ofPullRequest(event, settings);
    case 'rerun':
      return ofRerun(event, settings);
  }
}

function at(url: string, commit: string) {
  return { commit, origin: url, source: { url, ref: commit } };
}

/**
 * GitHub, GitLab and Gitea keep the commits of a fork's pull request in the repository it goes into, and hand them out by id. Bitbucket
 * doesn't, and names only their beginning: there the branch of the fork is built.
 */
function ofPullRequest(event: PullRequestEvent, settings: RepoSettings): Occasion | { readonly none: string } {
  const { head, base, number, fork, changed } = event;
  const url = settings.cloneUrl ?? event.repository.cloneUrl;
  const what = {
    on: 'pull_request',
    name: base.branch,
    pr: number,
    fork,
    byHand: false,
    closed: event.action === 'closed',
    changed,
  } as const;
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(head.commit) && event.forge !== 'bitbucket') {
    return { ...what, ...at(url, head.commit) };
  }
  const from = fork ? head.repository?.cloneUrl : url;
  if (from === undefined && !what.closed) return { none: 'the repository that the pull request is from is gone' };
  const source = { url: from ?? url, ref: `refs/heads/${head.branch}` };
  return { ...what, commit: head.commit, origin: url, source };
}

function ofRerun(event: RerunEvent, settings: RepoSettings): Occasion {
  const url = settings.cloneUrl ?? event.repository.cloneUrl;
  const name = event.check?.name;
  const common = {
    ...at(url, event.commit),
    ...(name?.startsWith(CONTEXT_PREFIX) && { only: name.slice(CONTEXT_PREFIX.length) }),
    byHand: true,
    closed: false,
    changed: NOT_ASKED,
  };
  const [first] = event.pullRequests;
  if (first) return { ...common, on: 'pull_request', name: first.base, pr: first.number, fork: false };
  // Of a fork's commit GitHub tells neither branch nor pull request.
  if (event.branch === null) return { ...common, on: 'pull_request', name: '', fork: true };
  return { ...common, on: 'branch', name: event.branch, fork: false };
}
