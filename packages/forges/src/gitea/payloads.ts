import { gitRef, gitUrl } from '@kiln/contracts';
import { z } from 'zod';
import { commitList, commitOrZero, cutText } from '../webhook/fields.ts';

// The fields of Gitea's and Forgejo's webhook payloads that Kiln reads; docs.gitea.com/usage/webhooks.

const repository = z.object({
  full_name: z.string(),
  clone_url: gitUrl,
  html_url: z.string(),
  default_branch: z.string().nullish(),
});

const user = z.object({ login: cutText });
const sender = user.nullish();

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

export const pullRequest = z.object({
  action: z.string(),
  pull_request: z.object({
    number: z.int(),
    title: cutText,
    draft: z.boolean().nullish(),
    merged: z.boolean().nullish(),
    updated_at: z.string().nullish(),
    user: user.nullish(),
    head: z.object({ ref: gitRef, sha: z.string(), repo_id: z.int(), repo: repository.nullish() }),
    base: z.object({ ref: gitRef, repo_id: z.int() }),
  }),
  repository,
  sender,
});

export type Repository = z.output<typeof repository>;
