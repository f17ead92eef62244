import { gitRef, gitUrl } from '@kiln/contracts';
import { z } from 'zod';
import { cutText } from '../webhook/fields.ts';

// Fields that the webhook payloads of GitHub and of Gitea have in common: Gitea's API is modelled on GitHub's.

export const repository = z.object({
  full_name: z.string(),
  clone_url: gitUrl,
  html_url: z.string(),
  default_branch: z.string().nullish(),
});

const user = z.object({ login: cutText });
export const sender = user.nullish();

/** Forges differ in how `head` and `base` name their repositories. */
export const pullRequestFields = z.object({
  number: z.int(),
  title: cutText,
  draft: z.boolean().nullish(),
  merged: z.boolean().nullish(),
  updated_at: z.string().nullish(),
  user: user.nullish(),
  head: z.object({ ref: gitRef, sha: z.string(), repo: repository.nullish() }),
  base: z.object({ ref: gitRef }),
});

export type Repository = z.output<typeof repository>;
export type Sender = z.output<typeof sender>;
export type PullRequestFields = z.output<typeof pullRequestFields>;
