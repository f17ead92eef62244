import type { ForgeEvent } from '@kiln/contracts';
import type { z } from 'zod';
import { eventBase, pullRequestEvent } from '../github-like/events.ts';
import { type Headers, header } from '../webhook/headers.ts';
import { ignored, unhandled } from '../webhook/ignored.ts';
import { movedRefEvent, pathsOfNewest } from '../webhook/moved-ref.ts';
import { pick } from '../webhook/payload.ts';
import { pullRequest, push } from './payloads.ts';

/** Reads Forgejo's own headers first; it sends Gitea's beside them. @throws BadPayload */
export function giteaEvent(headers: Headers, json: unknown): ForgeEvent {
  const name = header(headers, 'x-forgejo-event') ?? header(headers, 'x-gitea-event');
  switch (name) {
    case 'push':
      return pushEvent(pick(push, json));
    case 'pull_request': {
      const payload = pick(pullRequest, json);
      const { head, base } = payload.pull_request;
      const fork = head.repo_id !== base.repo_id;
      return pullRequestEvent('gitea', payload, { actions: ACTIONS, fork, noPaths: NO_PATHS });
    }
    case 'create':
    case 'delete':
      return ignored('gitea', `${name}: Gitea sends a push event for it, too`);
    default:
      return ignored('gitea', unhandled(name, 'X-Gitea-Event'));
  }
}

const ACTIONS = { opened: 'opened', synchronized: 'synchronised', reopened: 'reopened', closed: 'closed' } as const;
const NO_PATHS = 'Gitea doesn’t list the paths of pull requests';

/** Gitea lists the newest few commits only (FEED_MAX_COMMIT_NUM). */
function pushEvent(payload: z.output<typeof push>): ForgeEvent {
  const { ref, before, after, head_commit, commits, total_commits } = payload;
  return movedRefEvent(eventBase('gitea', payload), {
    ...{ ref, before, after, commit: head_commit?.id },
    changed: pathsOfNewest('Gitea', { before, after, commits: commits ?? [], total: total_commits }),
  });
}
