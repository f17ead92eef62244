import type { ForgeEvent, ForgeRepository } from '@kiln/contracts';
import { z } from 'zod';
import { changedAt } from '../webhook/fields.ts';
import { finish } from '../webhook/finish.ts';
import { ignored } from '../webhook/ignored.ts';
import { movedRefEvent, pathsOfNewest } from '../webhook/moved-ref.ts';
import { pick } from '../webhook/payload.ts';
import { mergeRequest, type Project, push } from './payloads.ts';

/** System hooks and hooks of groups send events that have only an `event_name`, such as `project_create`. */
const kind = z.union([z.object({ object_kind: z.string() }), z.object({ event_name: z.string() })]);

/** Reads the event's name from the payload (`object_kind`), where the signature covers it. @throws BadPayload */
export function gitlabEvent(json: unknown): ForgeEvent {
  const named = pick(kind, json);
  const name = 'object_kind' in named ? named.object_kind : named.event_name;
  switch ('object_kind' in named ? name : undefined) {
    case 'push':
    case 'tag_push':
      return pushEvent(pick(push, json));
    case 'merge_request':
      return mergeRequestEvent(pick(mergeRequest, json));
    default:
      return ignored('gitlab', `Kiln does nothing about ${name} events`);
  }
}

/** GitLab lists the newest 20 commits only. Of an annotated tag, `after` is the tag object and `checkout_sha` the commit. */
function pushEvent(payload: z.output<typeof push>): ForgeEvent {
  const { ref, before, after, checkout_sha, user_username, project, commits, total_commits_count } = payload;
  const base = {
    forge: 'gitlab' as const,
    ...(user_username && { actor: user_username }),
    repository: repositoryOf(project),
  };
  return movedRefEvent(base, {
    ...{ ref, before, after, commit: checkout_sha },
    changed: pathsOfNewest('GitLab', { before, after, commits: commits ?? [], total: total_commits_count }),
  });
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
    return ignored('gitlab', `merge request action ${JSON.stringify(given)}: no new commits`);
  }
  if (!merge.last_commit) return ignored('gitlab', 'the merge request has no commits');
  const fork = merge.source_project_id !== merge.target_project_id;
  return finish({
    type: 'pull_request',
    forge: 'gitlab',
    ...(user && { actor: user.username }),
    repository: repositoryOf(project),
    action,
    number: merge.iid,
    title: merge.title,
    // The payload names its author by number only; `user` is the person who acted.
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
    changed: { complete: false, paths: [], reason: 'GitLab doesn’t list the paths of merge requests' },
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
