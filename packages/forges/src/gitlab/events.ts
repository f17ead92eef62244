import type { ChangedPaths, ForgeEvent, ForgeRepository } from '@kiln/contracts';
import { z } from 'zod';
import { changedAt, changedPaths, readRef } from '../webhook/fields.ts';
import { finish } from '../webhook/finish.ts';
import { pick } from '../webhook/payload.ts';
import { mergeRequest, type Project, push } from './payloads.ts';

const kind = z.object({ object_kind: z.string() });

const ignored = (reason: string): ForgeEvent => ({ type: 'ignored', forge: 'gitlab', reason });

/** GitLab names the event in the payload too (`object_kind`), where the signature covers it. @throws BadPayload */
export function gitlabEvent(json: unknown): ForgeEvent {
  const { object_kind } = pick(kind, json);
  switch (object_kind) {
    case 'push':
    case 'tag_push':
      return pushed(pick(push, json));
    case 'merge_request':
      return mergeRequestEvent(pick(mergeRequest, json));
    default:
      return ignored(`${object_kind} is an event that Kiln does nothing about`);
  }
}

function pushed(payload: z.output<typeof push>): ForgeEvent {
  const { before, after, checkout_sha, user_username, project } = payload;
  const ref = readRef(payload.ref);
  const deleted = after === null;
  const base = {
    forge: 'gitlab' as const,
    ...(user_username && { actor: user_username }),
    repository: repositoryOf(project),
  };
  if (ref?.kind === 'tag') {
    // `after` is the tag object of an annotated tag; `checkout_sha` the commit.
    return finish({ type: 'tag', ...base, tag: ref.name, commit: deleted ? null : (checkout_sha ?? after), deleted });
  }
  if (ref?.kind !== 'branch') return ignored(`a push to ${payload.ref}, which is no branch and no tag`);
  return finish({ type: 'push', ...base, branch: ref.name, before, after, deleted, changed: pathsOf(payload) });
}

/** GitLab lists the newest 20 commits, and doesn't say whether commits were dropped, so the list is never known to be all. */
function pathsOf({ before, after, commits, total_commits_count }: z.output<typeof push>): ChangedPaths {
  if (after === null) return { complete: true, paths: [] };
  const listed = commits ?? [];
  return changedPaths(
    listed,
    before === null
      ? 'the branch is new: there is nothing to compare with'
      : (total_commits_count ?? 0) > listed.length
        ? `GitLab lists ${listed.length} of ${total_commits_count} commits`
        : 'GitLab doesn’t say whether the push was forced and dropped commits',
  );
}

const ACTIONS = {
  open: 'opened',
  update: 'synchronised',
  reopen: 'reopened',
  close: 'closed',
  merge: 'closed',
} as const;

function mergeRequestEvent({ user, project, object_attributes: merge }: z.output<typeof mergeRequest>): ForgeEvent {
  const given = merge.action ?? 'changed';
  const action = Object.hasOwn(ACTIONS, given) ? ACTIONS[given as keyof typeof ACTIONS] : undefined;
  if (!action || (given === 'update' && !merge.oldrev)) {
    return ignored(`a merge request had ${JSON.stringify(given)}: no new commits`);
  }
  if (!merge.last_commit) return ignored('a merge request without commits');
  const fork = merge.source_project_id !== merge.target_project_id;
  return finish({
    type: 'pull_request',
    forge: 'gitlab',
    ...(user && { actor: user.username }),
    repository: repositoryOf(project),
    action,
    number: merge.iid,
    title: merge.title,
    // Who opened it is there as a number only.
    ...(user && user.id === merge.author_id && { author: user.username }),
    draft: merge.draft ?? false,
    merged: given === 'merge',
    ...changedAt(merge.updated_at),
    fork,
    head: {
      repository: merge.source ? repositoryOf(merge.source) : null,
      branch: merge.source_branch,
      commit: merge.last_commit.id,
    },
    base: { branch: merge.target_branch },
    changed: { complete: false, paths: [], reason: 'GitLab names no paths of merge requests' },
  });
}

function repositoryOf({ path_with_namespace, git_http_url, web_url, default_branch }: Project): ForgeRepository {
  return {
    fullName: path_with_namespace,
    cloneUrl: git_http_url,
    webUrl: web_url,
    ...(default_branch && { defaultBranch: default_branch }),
  };
}
