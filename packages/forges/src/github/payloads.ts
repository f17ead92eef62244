import { gitRef } from '@kiln/contracts';
import { z } from 'zod';
import { pullRequestFields, repository, sender } from '../github-like/payloads.ts';
import { commitList, commitOrZero } from '../webhook/fields.ts';

// The fields of GitHub's webhook payloads that Kiln reads; docs.github.com/webhooks/webhook-events-and-payloads.

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

const { head, base } = pullRequestFields.shape;

export const pullRequest = z.object({
  action: z.string(),
  pull_request: pullRequestFields.extend({
    head: head.extend({ repo: repository.extend({ id: z.number() }).nullable() }),
    base: base.extend({ repo: z.object({ id: z.number() }) }),
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

export type PullRequests = z.output<typeof pullRequests>;
