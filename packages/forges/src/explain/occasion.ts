import type { ChangedPaths, ForgeEvent, PullRequestEvent, RepoSettings, RerunEvent } from '@kiln/contracts';

/** What an event asks to be built, whichever kind of event it is. */
export interface Occasion {
  readonly on: 'branch' | 'tag' | 'pull_request';
  /** The pushed branch, the tag, or the base branch of the pull request: the name that patterns are matched with. */
  readonly name: string;
  /** The number of the pull request. */
  readonly pr?: number;
  /** The commit to build, in full. Bitbucket's pull requests name only its first digits. */
  readonly commit: string;
  readonly source: { readonly url: string; readonly ref: string };
  /** The clone URL of the repository that sent the event. Caches and keys are named after it, also those of forks. */
  readonly origin: string;
  /** From a fork, or possibly from one. */
  readonly fork: boolean;
  /** The build was requested by a person, so path filters don't apply. */
  readonly byHand: boolean;
  /** The image of the check, if a single check is to run again. */
  readonly only?: string;
  /** The pull request was closed, so its builds have to be canceled. */
  readonly closed: boolean;
  readonly changed: ChangedPaths;
}

/** The prefix of the status names under which images are reported. */
export const CONTEXT_PREFIX = 'kiln/';

const NOT_ASKED: ChangedPaths = { complete: false, paths: [], reason: 'the build was requested by hand' };

/** Turns an event into an occasion, or says why there is nothing to build. */
export function occasionOf(event: ForgeEvent, settings: RepoSettings): Occasion | { readonly none: string } {
  switch (event.type) {
    case 'ping':
      return { none: 'ping: the forge is testing the connection' };
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
 * GitHub, GitLab and Gitea also keep the commits of a fork's pull request in the base repository, and serve them by id. Bitbucket doesn't,
 * and names only the first digits of a commit, so the branch of the fork is built.
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
  if (from === undefined && !what.closed) return { none: 'the fork that the pull request comes from is gone' };
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
  // For a fork's commit, GitHub names neither a branch nor a pull request.
  if (event.branch === null) return { ...common, on: 'pull_request', name: '', fork: true };
  return { ...common, on: 'branch', name: event.branch, fork: false };
}
