import { gitRef } from '@kiln/contracts';
import { z } from 'zod';
import { pullRequestFields, repository, sender } from '../github-like/payloads.ts';
import { commitList, commitOrZero } from '../webhook/fields.ts';

// The fields of Gitea's and Forgejo's webhook payloads that Kiln reads; docs.gitea.com/usage/webhooks.

export const push = z.object({
  ref: gitRef,
  before: commitOrZero,
  after: commitOrZero,
  commits: commitList.nullish(),
  total_commits: z.int().nullish(),
  head_commit: z.object({ id: z.string() }).nullish(),
  repository,
  sender,
});

const { head, base } = pullRequestFields.shape;

export const pullRequest = z.object({
  action: z.string(),
  pull_request: pullRequestFields.extend({
    head: head.extend({ repo_id: z.int() }),
    base: base.extend({ repo_id: z.int() }),
  }),
  repository,
  sender,
});
