import type { ForgeEvent, ForgeRepository, PullRequestEvent } from '@kiln/contracts';
import { changedAt } from '../webhook/fields.ts';
import { finish } from '../webhook/finish.ts';
import type { PullRequestFields, Repository, Sender } from './payloads.ts';

type GithubLike = 'github' | 'gitea';

interface Payload {
  readonly repository: Repository;
  readonly sender?: Sender;
}

/** The fields that every event of a repository has. */
export function eventBase<F extends GithubLike>(forge: F, { repository, sender }: Payload) {
  return { forge, ...(sender && { actor: sender.login }), repository: repositoryOf(repository) };
}

export interface PullRequestPayload extends Payload {
  readonly action: string;
  readonly pull_request: PullRequestFields;
}

/** What a forge does in its own way. */
export interface PullRequestRules {
  /** The forge's names of the actions that matter; all others are ignored. */
  readonly actions: Readonly<Record<string, PullRequestEvent['action']>>;
  /** The head's repository is another one than the base's, or is unknown. */
  readonly fork: boolean;
  /** Why the payload lists no changed paths. */
  readonly noPaths: string;
}

/** The event of a pull request. @throws BadPayload */
export function pullRequestEvent(
  forge: GithubLike,
  payload: PullRequestPayload,
  { actions, fork, noPaths }: PullRequestRules,
): ForgeEvent {
  const { number, title, draft, merged, user, head, base, updated_at } = payload.pull_request;
  const action = Object.hasOwn(actions, payload.action) ? actions[payload.action] : undefined;
  if (!action) return { type: 'ignored', forge, reason: `pull request ${payload.action}: no new commits` };
  return finish({
    type: 'pull_request',
    ...eventBase(forge, payload),
    action,
    number,
    title,
    ...(user && { author: user.login }),
    draft: draft ?? false,
    merged: merged ?? false,
    ...changedAt(updated_at),
    fork,
    head: { repository: head.repo ? repositoryOf(head.repo) : null, branch: head.ref, commit: head.sha },
    base: { branch: base.ref },
    changed: { complete: false, paths: [], reason: noPaths },
  });
}

function repositoryOf({ full_name, clone_url, html_url, default_branch }: Repository): ForgeRepository {
  return {
    fullName: full_name,
    cloneUrl: clone_url,
    webUrl: html_url,
    ...(default_branch && { defaultBranch: default_branch }),
  };
}
