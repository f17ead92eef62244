import type { ChangedPaths, ForgeEvent, ForgeRepository } from '@kiln/contracts';
import type { z } from 'zod';
import { changedAt, changedPaths, readRef } from '../webhook/fields.ts';
import { finish } from '../webhook/finish.ts';
import { type Headers, header } from '../webhook/headers.ts';
import { pick } from '../webhook/payload.ts';
import { checkRun, checkSuite, type PullRequests, pullRequest, push, type Repository } from './payloads.ts';

/** GitHub lists at most so many commits of a push, and so many files of a commit. */
const MAX_LISTED_COMMITS = 2048;

const ignored = (reason: string): ForgeEvent => ({ type: 'ignored', forge: 'github', reason });

/** @throws BadPayload */
export function githubEvent(headers: Headers, json: unknown): ForgeEvent {
  const name = header(headers, 'x-github-event');
  switch (name) {
    case 'ping':
      return { type: 'ping', forge: 'github' };
    case 'push':
      return pushed(pick(push, json));
    case 'pull_request':
      return pullRequestEvent(pick(pullRequest, json));
    case 'check_run':
      return checkRunEvent(pick(checkRun, json));
    case 'check_suite':
      return checkSuiteEvent(pick(checkSuite, json));
    default:
      return ignored(
        name === undefined
          ? 'the header X-GitHub-Event is missing'
          : `${name} is an event that Kiln does nothing about`,
      );
  }
}

function pushed(payload: z.output<typeof push>): ForgeEvent {
  const { before, after, deleted, head_commit } = payload;
  const ref = readRef(payload.ref);
  const base = { ...common(payload), repository: repositoryOf(payload.repository) };
  if (ref?.kind === 'tag') {
    // `after` is the tag object of an annotated tag; the commit is in `head_commit`.
    return finish({
      type: 'tag',
      ...base,
      tag: ref.name,
      commit: deleted ? null : (head_commit?.id ?? after),
      deleted,
    });
  }
  if (ref?.kind !== 'branch') return ignored(`a push to ${payload.ref}, which is no branch and no tag`);
  const changed = pathsOf(payload);
  return finish({ type: 'push', ...base, branch: ref.name, before, after: deleted ? null : after, deleted, changed });
}

function pathsOf({ created, forced, deleted, commits }: z.output<typeof push>): ChangedPaths {
  if (deleted) return { complete: true, paths: [] };
  return changedPaths(
    commits,
    created
      ? 'the branch is new: there is nothing to compare with'
      : forced
        ? 'the push was forced: the payload says nothing of commits that were dropped'
        : commits.length >= MAX_LISTED_COMMITS
          ? `GitHub lists at most ${MAX_LISTED_COMMITS} commits`
          : undefined,
  );
}

const ACTIONS = { opened: 'opened', synchronize: 'synchronised', reopened: 'reopened', closed: 'closed' } as const;

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
    fork: head.repo?.id !== base.repo.id,
    head: { repository: head.repo && repositoryOf(head.repo), branch: head.ref, commit: head.sha },
    base: { branch: base.ref },
    changed: { complete: false, paths: [], reason: 'GitHub names no paths of pull requests' },
  });
}

function checkRunEvent(payload: z.output<typeof checkRun>): ForgeEvent {
  const { name, external_id, head_sha, check_suite, pull_requests } = payload.check_run;
  if (payload.action !== 'rerequested') return ignored(`a check run was ${payload.action}`);
  return finish({
    type: 'rerun',
    ...common(payload),
    repository: repositoryOf(payload.repository),
    commit: head_sha,
    branch: check_suite?.head_branch ?? null,
    pullRequests: pullRequestsOf(pull_requests),
    check: { name, ...(external_id && { externalId: external_id }) },
  });
}

function checkSuiteEvent(payload: z.output<typeof checkSuite>): ForgeEvent {
  const { head_branch, head_sha, pull_requests } = payload.check_suite;
  if (payload.action !== 'rerequested') return ignored(`a check suite was ${payload.action}`);
  return finish({
    type: 'rerun',
    ...common(payload),
    repository: repositoryOf(payload.repository),
    commit: head_sha,
    branch: head_branch,
    pullRequests: pullRequestsOf(pull_requests),
  });
}

function pullRequestsOf(listed: PullRequests): { number: number; base: string; branch: string }[] {
  return (listed ?? []).map(({ number, base, head }) => ({ number, base: base.ref, branch: head.ref }));
}

function common({ sender }: { readonly sender?: { readonly login: string } | null | undefined }) {
  return { forge: 'github' as const, ...(sender && { actor: sender.login }) };
}

function repositoryOf({ full_name, clone_url, html_url, default_branch }: Repository): ForgeRepository {
  return {
    fullName: full_name,
    cloneUrl: clone_url,
    webUrl: html_url,
    ...(default_branch !== undefined && { defaultBranch: default_branch }),
  };
}
