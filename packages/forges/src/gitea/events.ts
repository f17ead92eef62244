import type { ChangedPaths, ForgeEvent, ForgeRepository } from '@kiln/contracts';
import type { z } from 'zod';
import { changedAt, changedPaths, readRef } from '../webhook/fields.ts';
import { finish } from '../webhook/finish.ts';
import { type Headers, header } from '../webhook/headers.ts';
import { pick } from '../webhook/payload.ts';
import { pullRequest, push, type Repository } from './payloads.ts';

const ignored = (reason: string): ForgeEvent => ({ type: 'ignored', forge: 'gitea', reason });

/** Forgejo sends its own headers beside Gitea's. @throws BadPayload */
export function giteaEvent(headers: Headers, json: unknown): ForgeEvent {
  const name = header(headers, 'x-forgejo-event') ?? header(headers, 'x-gitea-event');
  switch (name) {
    case 'push':
      return pushed(pick(push, json));
    case 'pull_request':
      return pullRequestEvent(pick(pullRequest, json));
    case 'create':
    case 'delete':
      return ignored(`${name}: the same is told by a push`);
    default:
      return ignored(
        name === undefined ? 'the header X-Gitea-Event is missing' : `${name} is an event that Kiln does nothing about`,
      );
  }
}

function pushed(payload: z.output<typeof push>): ForgeEvent {
  const { before, after, head_commit } = payload;
  const ref = readRef(payload.ref);
  const deleted = after === null;
  const base = { ...common(payload), repository: repositoryOf(payload.repository) };
  if (ref?.kind === 'tag') {
    return finish({
      type: 'tag',
      ...base,
      tag: ref.name,
      commit: deleted ? null : (head_commit?.id ?? after),
      deleted,
    });
  }
  if (ref?.kind !== 'branch') return ignored(`a push to ${payload.ref}, which is no branch and no tag`);
  return finish({ type: 'push', ...base, branch: ref.name, before, after, deleted, changed: pathsOf(payload) });
}

/** Gitea lists the newest few commits (FEED_MAX_COMMIT_NUM), and doesn't say whether commits were dropped. */
function pathsOf({ before, after, commits, total_commits }: z.output<typeof push>): ChangedPaths {
  if (after === null) return { complete: true, paths: [] };
  const listed = commits ?? [];
  return changedPaths(
    listed,
    before === null
      ? 'the branch is new: there is nothing to compare with'
      : (total_commits ?? 0) > listed.length
        ? `Gitea lists ${listed.length} of ${total_commits} commits`
        : 'Gitea doesn’t say whether the push was forced and dropped commits',
  );
}

const ACTIONS = { opened: 'opened', synchronized: 'synchronised', reopened: 'reopened', closed: 'closed' } as const;

function pullRequestEvent(payload: z.output<typeof pullRequest>): ForgeEvent {
  const { number, title, draft, merged, user, head, base, updated_at } = payload.pull_request;
  const action = Object.hasOwn(ACTIONS, payload.action) ? ACTIONS[payload.action as keyof typeof ACTIONS] : undefined;
  if (!action) return ignored(`a pull request was ${payload.action}: no new commits`);
  return finish({
    type: 'pull_request',
    ...common(payload),
    repository: repositoryOf(payload.repository),
    action,
    number,
    title,
    ...(user && { author: user.login }),
    draft: draft ?? false,
    merged: merged ?? false,
    ...changedAt(updated_at),
    fork: head.repo_id !== base.repo_id,
    head: { repository: head.repo ? repositoryOf(head.repo) : null, branch: head.ref, commit: head.sha },
    base: { branch: base.ref },
    changed: { complete: false, paths: [], reason: 'Gitea names no paths of pull requests' },
  });
}

function common({ sender }: { readonly sender?: { readonly login: string } | null | undefined }) {
  return { forge: 'gitea' as const, ...(sender && { actor: sender.login }) };
}

function repositoryOf({ full_name, clone_url, html_url, default_branch }: Repository): ForgeRepository {
  return {
    fullName: full_name,
    cloneUrl: clone_url,
    webUrl: html_url,
    ...(default_branch && { defaultBranch: default_branch }),
  };
}
