import { CACHE_KINDS, readCacheKey } from '@kiln/domain';
import { z } from 'zod';
import { bakeInput } from '../http/bake-evaluation.ts';
import { domainKey, hostName } from '../http/host-report.ts';

const bytes = z.int().min(0);
/** ms since the epoch. */
const time = z.int().min(0);
/** A cache key: the repo, with its team and trust class. */
const repo = z.string().min(1).max(4096);

/** A mount as a Dockerfile names it: its target, or its explicit id, without a namespace. */
export const mountName = z.string().min(1).max(1024);

/** Id of a task: a ULID, like ids of builds. */
export const taskId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, 'a task id of 26 characters');

/**
 * Removes caches. Each field that is set narrows what is removed. Caches that other repos use as well (cache scope `team` or `pool`, base
 * images) are kept unless `shared` is set.
 */
const dropTask = z.object({
  type: z.literal('drop'),
  /** Only the caches of this isolation domain. */
  domain: domainKey.optional(),
  /** Only the caches of this repo, by cache key. */
  repo: repo.optional(),
  /** Only caches of this team's repos. */
  team: z.string().optional(),
  mounts: z.array(mountName).max(100).optional(),
  kinds: z.array(z.enum(CACHE_KINDS)).optional(),
  /** Only caches that were not used for this long, ms. */
  unusedForMs: z.int().min(0).optional(),
  shared: z.boolean().optional(),
  /** Removes nothing, and reports what would be removed. */
  dryRun: z.boolean().optional(),
});
export type DropTask = z.output<typeof dropTask>;

/** What the leader does with a snapshot once it is saved: it fills another host with it. */
const seedAfter = z.object({
  /** Id of the task that does it. */
  task: taskId,
  host: hostName,
  /** Cache key of the builds that will use it. */
  repo,
  domain: domainKey,
  /** Bytes to transfer, how long saving and seeding together were expected to take, ms, and how warm the host then is, 0 to 1. */
  bytes,
  expectedMs: z.int().min(0),
  warmth: z.number().min(0).max(1),
});
export type SeedAfter = z.output<typeof seedAfter>;

/** Result of a `drop`. At most 100 caches are named. */
export const dropResult = z.object({
  freedBytes: bytes,
  /** How many caches were dropped. */
  caches: z.int().min(0),
  /** Cache mounts by id, and `layers`. */
  dropped: z.array(z.object({ id: z.string(), bytes })),
  /** Mounts that the order covers, but that are kept because other repos share them. */
  shared: z.array(z.string()),
  /** Mounts that were kept because a build uses them; only of orders without a repo. */
  inUse: z.array(z.string()),
});
export type DropResult = z.output<typeof dropResult>;

/** Saves the cache mounts of a repo as a snapshot. Nothing is done if there is a snapshot with this id already. */
const saveTask = z.object({
  type: z.literal('save'),
  /** Cache key of the repo. */
  repo,
  /** The isolation domain whose builder has the mounts. */
  domain: domainKey,
  /** Id of the snapshot to be made. */
  snapshot: taskId,
  /** Only these mounts. */
  mounts: z.array(mountName).max(100).optional(),
  /** The seed for which the leader ordered this. */
  seedAfter: seedAfter.optional(),
});

/** Fills those cache mounts of a repo that the builder doesn't have from a snapshot. */
const seedTask = z.object({
  type: z.literal('seed'),
  /** Cache key of the repo that gets the mounts; its team is the snapshot's. */
  repo,
  domain: domainKey,
  snapshot: taskId,
});

/** Evaluates bake files, and returns `evaluateResult`. */
const evaluateTask = z.object({ type: z.literal('evaluate'), team: z.string(), bake: bakeInput });

/** What a host is to do besides builds. */
export const hostTaskOrder = z.discriminatedUnion('type', [dropTask, saveTask, seedTask, evaluateTask]);
export type HostTaskOrder = z.output<typeof hostTaskOrder>;
export type HostTaskType = HostTaskOrder['type'];

export const HOST_TASK_STATES = ['waiting', 'running', 'succeeded', 'failed'] as const;

/** Stable codes of failed tasks. `failed`: see the message. */
export const HOST_TASK_FAILURES = [
  'host_removed',
  'invalid_order',
  'snapshot_not_found',
  'snapshot_refused',
  'bake_invalid',
  'failed',
] as const;
export type HostTaskFailure = (typeof HOST_TASK_FAILURES)[number];

/** How far a running task is. */
export const hostTaskProgress = z.object({
  bytes,
  totalBytes: bytes.optional(),
  /** What it waits for, if it does: `in use by build 01…; dropped when it ends`. */
  note: z.string().optional(),
});
export type HostTaskProgress = z.output<typeof hostTaskProgress>;

/** Something that a host is to do, and what became of it. Times in ms since the epoch. */
export const hostTask = z.object({
  id: taskId,
  host: hostName,
  order: hostTaskOrder,
  state: z.enum(HOST_TASK_STATES),
  createdAt: time,
  /** Name of the principal that ordered it; absent: the leader. */
  createdBy: z.string().optional(),
  startedAt: time.optional(),
  endedAt: time.optional(),
  progress: hostTaskProgress.optional(),
  /** Of a task that succeeded; its form depends on the order's type. */
  result: z.record(z.string(), z.unknown()).optional(),
  failure: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type HostTask = z.output<typeof hostTask>;

/** Returns the team that a task concerns; undefined if it concerns the whole host. */
export function teamOfTask(order: HostTaskOrder): string | undefined {
  if ('repo' in order && order.repo !== undefined) return readCacheKey(order.repo).team;
  return 'team' in order ? order.team : undefined;
}
