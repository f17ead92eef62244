import { gitRef, gitUrl } from '@kiln/contracts';
import { z } from 'zod';
import { commitList, commitOrZero, cutText } from '../webhook/fields.ts';

// The fields of GitHub's webhook payloads that Kiln reads; docs.github.com/webhooks/webhook-events-and-payloads.

const repository = z.object({
  full_name: z.string(),
  clone_url: gitUrl,
  html_url: z.string(),
  default_branch: z.string().optional(),
});

const user = z.object({ login: cutText });
const sender = user.nullish();

export const push = z.object({
  ref: gitRef,
  before: commitOrZero,
  after: commitOrZero,
  created: z.boolean(),
  deleted: z.boolean(),
  forced: z.boolean(),
  commits: commitList,
  head_commit: z.object({ id: z.string() }).nullable(),
  repository,
  sender,
});

export const pullRequest = z.object({
  action: z.string(),
  pull_request: z.object({
    number: z.int(),
    title: cutText,
    draft: z.boolean().nullish(),
    merged: z.boolean().nullish(),
    updated_at: z.string().nullish(),
    user: user.nullable(),
    head: z.object({ ref: gitRef, sha: z.string(), repo: repository.extend({ id: z.number() }).nullable() }),
    base: z.object({ ref: gitRef, repo: z.object({ id: z.number() }) }),
  }),
  repository,
  sender,
});

const pullRequests = z
  .array(z.object({ number: z.int(), head: z.object({ ref: gitRef }), base: z.object({ ref: gitRef }) }))
  .max(1_000)
  .nullish();

export const checkRun = z.object({
  action: z.string(),
  check_run: z.object({
    name: z.string(),
    external_id: z.string().nullish(),
    head_sha: z.string(),
    check_suite: z.object({ head_branch: gitRef.nullish() }).nullish(),
    pull_requests: pullRequests,
  }),
  repository,
  sender,
});

export const checkSuite = z.object({
  action: z.string(),
  check_suite: z.object({ head_branch: gitRef.nullable(), head_sha: z.string(), pull_requests: pullRequests }),
  repository,
  sender,
});

export type Repository = z.output<typeof repository>;
export type PullRequests = z.output<typeof pullRequests>;
