import { z } from 'zod';
import { gitRef, gitUrl } from '../http/fields.ts';

export const FORGES = ['github', 'gitlab', 'gitea', 'bitbucket'] as const;
export type ForgeName = (typeof FORGES)[number];

const commit = z.string().regex(/^[0-9a-f]{40}$|^[0-9a-f]{64}$/, 'a commit id of 40 or 64 hexadecimal digits');

/** Bitbucket gives only the first 12 digits of commits of pull requests. */
const commitPrefix = z.string().regex(/^[0-9a-f]{7,64}$/, 'a commit id or the beginning of one');

const repository = z
  .strictObject({
    fullName: z
      .string()
      .max(512)
      .regex(
        /^(?!(?:.*\/)?\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)+$/,
        'owner/name, or group/sub/name: letters, digits and _ . -, without parts . or ..',
      ),
    cloneUrl: gitUrl,
    webUrl: z.string().optional(),
    defaultBranch: z.string().optional(),
  })
  .meta({ id: 'ForgeRepository' });
export type ForgeRepository = z.output<typeof repository>;

/**
 * The paths that an event changes. If `complete`, there are no others, so a path filter may skip the build. Otherwise `reason` says why the
 * payload omits some; git has to be asked, and until then no path filter can skip the build.
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
  /** Null if the branch is new. */
  before: commit.nullable(),
  /** Null if the branch was deleted. */
  after: commit.nullable(),
  deleted: z.boolean(),
  changed: changedPaths,
});

const tag = z.strictObject({
  type: z.literal('tag'),
  ...common,
  repository,
  tag: gitRef,
  /** The commit, not the tag object. Null if the tag was deleted. */
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
  /** Who opened it. Absent if the payload doesn't contain it: GitLab's does only if the author is also the actor. */
  author: z.string().max(256).optional(),
  draft: z.boolean(),
  merged: z.boolean(),
  /** When it changed last on the forge, ms since the epoch. Orders two events. */
  updatedAt: z.int().optional(),
  /** Also true if the head's repository is gone, because it can't be verified then. */
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
  /** Null if the commit is on no branch of this repository, for example if it is a fork's. */
  branch: gitRef.nullable(),
  pullRequests: z.array(z.strictObject({ number: z.int().min(1), base: gitRef, branch: gitRef })),
  /** The check to run again; `externalId` is the build's id. Absent: all checks of the commit. */
  check: z.strictObject({ name: z.string(), externalId: z.string().optional() }).optional(),
});

/** The content of a webhook, in the same form for every forge. */
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
