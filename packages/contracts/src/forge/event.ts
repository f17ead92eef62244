import { z } from 'zod';
import { gitRef, gitUrl } from '../http/fields.ts';

export const FORGES = ['github', 'gitlab', 'gitea', 'bitbucket'] as const;
export type ForgeName = (typeof FORGES)[number];

const commit = z.string().regex(/^[0-9a-f]{40}$|^[0-9a-f]{64}$/, 'a commit id of 40 or 64 hexadecimal digits');

/** Bitbucket names commits of pull requests by 12 digits only. */
const commitPrefix = z.string().regex(/^[0-9a-f]{7,64}$/, 'a commit id or the beginning of one');

const repository = z
  .strictObject({
    fullName: z
      .string()
      .max(512)
      .regex(
        /^(?!(?:.*\/)?\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)+$/,
        'owner/name, or group/sub/name: letters, digits and _ . -, no part . or ..',
      ),
    cloneUrl: gitUrl,
    webUrl: z.string().optional(),
    defaultBranch: z.string().optional(),
  })
  .meta({ id: 'ForgeRepository' });
export type ForgeRepository = z.output<typeof repository>;

/**
 * The paths that an event changes. Complete: there are no others, so a path filter may say no. Otherwise `reason` says why the
 * payload leaves some out; git has to be asked, and until then a path filter can't say no.
 */
const changedPaths = z.discriminatedUnion('complete', [
  z.strictObject({ complete: z.literal(true), paths: z.array(z.string()) }),
  z.strictObject({ complete: z.literal(false), paths: z.array(z.string()), reason: z.string() }),
]);
export type ChangedPaths = z.output<typeof changedPaths>;

const common = { forge: z.enum(FORGES), actor: z.string().max(256).optional() };

const push = z.strictObject({
  type: z.literal('push'),
  ...common,
  repository,
  branch: gitRef,
  /** Null where the branch is new. */
  before: commit.nullable(),
  /** Null where the branch was deleted. */
  after: commit.nullable(),
  deleted: z.boolean(),
  changed: changedPaths,
});

const tag = z.strictObject({
  type: z.literal('tag'),
  ...common,
  repository,
  tag: gitRef,
  /** The commit, not the tag object; null where the tag was deleted. */
  commit: commit.nullable(),
  deleted: z.boolean(),
});

const pullRequest = z.strictObject({
  type: z.literal('pull_request'),
  ...common,
  repository,
  action: z.enum(['opened', 'synchronised', 'reopened', 'closed']),
  number: z.int().min(1),
  title: z.string().max(256),
  /** Who opened it, where the payload says so: GitLab's does only when it is the one who acted. */
  author: z.string().max(256).optional(),
  draft: z.boolean(),
  merged: z.boolean(),
  /** When the forge saw it change last, ms since the epoch: tells which of two events is the newer one. */
  updatedAt: z.int().optional(),
  /** True also where the head's repository is gone: it can't be shown to be this one. */
  fork: z.boolean(),
  head: z.strictObject({ repository: repository.nullable(), branch: gitRef, commit: commitPrefix }),
  base: z.strictObject({ branch: gitRef }),
  changed: changedPaths,
});

const rerun = z.strictObject({
  type: z.literal('rerun'),
  ...common,
  repository,
  commit,
  /** Null where the commit is on no branch of this repository, as with a fork's. */
  branch: gitRef.nullable(),
  pullRequests: z.array(z.strictObject({ number: z.int().min(1), base: gitRef, branch: gitRef })),
  /** The one check that is to run again; absent: all of the commit. `externalId` is what Kiln gave it: the build's id. */
  check: z.strictObject({ name: z.string(), externalId: z.string().optional() }).optional(),
});

/** What a webhook said, the same for every forge. */
export const forgeEvent = z.discriminatedUnion('type', [
  push,
  tag,
  pullRequest,
  rerun,
  z.strictObject({ type: z.literal('ping'), ...common }),
  z.strictObject({ type: z.literal('ignored'), ...common, reason: z.string() }),
]);

export type ForgeEvent = z.output<typeof forgeEvent>;
export type PullRequestEvent = z.output<typeof pullRequest>;
export type RerunEvent = z.output<typeof rerun>;
