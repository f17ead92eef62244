import { gitRef } from '@kiln/contracts';
import { z } from 'zod';
import { cutText } from '../webhook/fields.ts';

// The fields of Bitbucket Cloud's webhook payloads that Kiln reads; support.atlassian.com/bitbucket-cloud/docs/event-payloads.

const repository = z.object({
  full_name: z.string(),
  uuid: z.string(),
  links: z.object({ html: z.object({ href: z.string() }) }),
});

const actor = z.object({ nickname: cutText.nullish(), display_name: cutText.nullish() }).nullish();

const ref = z.object({ type: z.string(), name: gitRef, target: z.object({ hash: z.string() }) });

export const push = z.object({
  actor,
  repository,
  push: z.object({
    changes: z
      .array(
        z.object({
          new: ref.nullable(),
          old: ref.nullable(),
          created: z.boolean().nullish(),
          forced: z.boolean().nullish(),
        }),
      )
      // Each becomes an event. No ordinary push moves that many refs.
      .max(500),
  }),
});

export const pullRequest = z.object({
  actor,
  repository,
  pullrequest: z.object({
    id: z.int(),
    title: cutText,
    draft: z.boolean().nullish(),
    updated_on: z.string().nullish(),
    author: actor,
    source: z.object({
      branch: z.object({ name: gitRef }),
      /** Null if the branch was deleted. */
      commit: z.object({ hash: z.string() }).nullable(),
      /** Null if the fork was deleted. */
      repository: repository.nullable(),
    }),
    destination: z.object({ branch: z.object({ name: gitRef }), repository: z.object({ uuid: z.string() }) }),
  }),
});

export type Repository = z.output<typeof repository>;
export type Actor = z.output<typeof actor>;
export type Change = z.output<typeof push>['push']['changes'][number];
