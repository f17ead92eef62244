import type { ChangedPaths, ForgeEvent } from '@kiln/contracts';
import type { z } from 'zod';
import { eventBase, pullRequestEvent } from '../github-like/events.ts';
import { changedPaths } from '../webhook/fields.ts';
import { finish } from '../webhook/finish.ts';
import { type Headers, header } from '../webhook/headers.ts';
import { ignored, unhandled } from '../webhook/ignored.ts';
import { movedRefEvent, NEW_BRANCH } from '../webhook/moved-ref.ts';
import { pick } from '../webhook/payload.ts';
import { checkRun, checkSuite, type PullRequests, pullRequest, push } from './payloads.ts';

/** GitHub lists at most this many commits of a push. */
const MAX_LISTED_COMMITS = 2048;

/** @throws BadPayload */
export function githubEvent(headers: Headers, json: unknown): ForgeEvent {
  const name = header(headers, 'x-github-event');
  switch (name) {
    case 'ping':
      return { type: 'ping', forge: 'github' };
    case 'push':
      return pushEvent(pick(push, json));
    case 'pull_request': {
      const payload = pick(pullRequest, json);
      const { head, base } = payload.pull_request;
      const fork = head.repo?.id !== base.repo.id;
      return pullRequestEvent('github', payload, { actions: ACTIONS, fork, noPaths: NO_PATHS });
    }
    case 'check_run':
      return checkRunEvent(pick(checkRun, json));
    case 'check_suite':
      return checkSuiteEvent(pick(checkSuite, json));
    default:
      return ignored('github', unhandled(name, 'X-GitHub-Event'));
  }
}

const ACTIONS = { opened: 'opened', synchronize: 'synchronised', reopened: 'reopened', closed: 'closed' } as const;
const NO_PATHS = 'GitHub doesn’t list the paths of pull requests';

function pushEvent(payload: z.output<typeof push>): ForgeEvent {
  const { ref, before, after, deleted, head_commit } = payload;
  return movedRefEvent(eventBase('github', payload), {
    ...{ ref, before, after: deleted ? null : after },
    commit: head_commit?.id,
    changed: pathsOf(payload),
  });
}

function pathsOf({ created, forced, deleted, commits }: z.output<typeof push>): ChangedPaths {
  if (deleted) return { complete: true, paths: [] };
  return changedPaths(
    commits,
    created
      ? NEW_BRANCH
      : forced
        ? 'the push was forced, and the payload doesn’t list the commits that it dropped'
        : commits.length >= MAX_LISTED_COMMITS
          ? `GitHub lists at most ${MAX_LISTED_COMMITS} commits`
          : undefined,
  );
}

function checkRunEvent(payload: z.output<typeof checkRun>): ForgeEvent {
  const { name, external_id, head_sha, check_suite, pull_requests } = payload.check_run;
  if (payload.action !== 'rerequested') return ignored('github', `check run ${payload.action}: nothing to run again`);
  return finish({
    type: 'rerun',
    ...eventBase('github', payload),
    commit: head_sha,
    branch: check_suite?.head_branch ?? null,
    pullRequests: pullRequestsOf(pull_requests),
    check: { name, ...(external_id && { externalId: external_id }) },
  });
}

function checkSuiteEvent(payload: z.output<typeof checkSuite>): ForgeEvent {
  const { head_branch, head_sha, pull_requests } = payload.check_suite;
  if (payload.action !== 'rerequested') return ignored('github', `check suite ${payload.action}: nothing to run again`);
  return finish({
    type: 'rerun',
    ...eventBase('github', payload),
    commit: head_sha,
    branch: head_branch,
    pullRequests: pullRequestsOf(pull_requests),
  });
}

function pullRequestsOf(listed: PullRequests): { number: number; base: string; branch: string }[] {
  return (listed ?? []).map(({ number, base, head }) => ({ number, base: base.ref, branch: head.ref }));
}
