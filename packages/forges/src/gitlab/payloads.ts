import { gitRef, gitUrl } from '@kiln/contracts';
import { z } from 'zod';
import { commitList, commitOrZero, cutText } from '../webhook/fields.ts';

// The fields of GitLab's webhook payloads that Kiln reads; docs.gitlab.com/user/project/integrations/webhook_events.

const project = z.object({
  path_with_namespace: z.string(),
  git_http_url: gitUrl,
  web_url: z.string(),
  default_branch: z.string().nullish(),
});

export const push = z.object({
  ref: gitRef,
  before: commitOrZero,
  after: commitOrZero,
  checkout_sha: z.string().nullish(),
  user_username: cutText.nullish(),
  project,
  commits: commitList.nullish(),
  total_commits_count: z.int().nullish(),
});

export const mergeRequest = z.object({
  user: z.object({ id: z.number(), username: cutText }).nullish(),
  project,
  object_attributes: z.object({
    iid: z.int(),
    title: cutText,
    author_id: z.number().nullish(),
    action: z.string().nullish(),
    /** Present only if commits were added. */
    oldrev: z.string().nullish(),
    draft: z.boolean().nullish(),
    updated_at: z.string().nullish(),
    source_branch: gitRef,
    target_branch: gitRef,
    source_project_id: z.number().nullable(),
    target_project_id: z.number(),
    source: project.nullish(),
    last_commit: z.object({ id: z.string() }).nullable(),
  }),
});

export type Project = z.output<typeof project>;
