import type { State } from '@kiln/state';

/** Keys that may be left when all builds have ended and were purged: the pool's own state. Further ones may be left if they expire. */
const STANDING: readonly RegExp[] = [
  /^(events|replicated)$/,
  /^leader(:token(:fence|:server)?)?$/,
  /^hosts(:epoch|:removed)?$/,
  // The time up to which builds were purged.
  /^history:forgotten$/,
  /^host:[^:]+(:lease|:past|:inventory|:savings|:evictions|:tasks)?$/,
  // Tasks belong to hosts, and open ones wait for theirs.
  /^tasks$/,
  /^task:[^:]+$/,
  // These belong to repos, not to builds.
  /^usages(:changed|:revision)?$/,
  /^learned:(pool|repos|at)$/,
  /^audit(:last|:strangers)?$/,
  // Contents of the blob store outlive their builds; the limits of live logs, and their total size.
  /^storage:(blobs|used)$/,
  /^logs:(limits|live:bytes)$/,
  /^caches:(references|registries|modes:[^:]+)$/,
  // BullMQ's keys of a queue, not of its jobs.
  /^q:(?:host-[^:]+|schedules|hooks-in|hooks-out|reports):(meta|id|events|marker|stalled-check|pc)$/,
];
const EXPIRING: readonly RegExp[] = [
  /^idem:/,
  /^(caches:cleaning|history:claim|storage:recount|memory:level|trees:swept)$/,
  /^log:[^:]+:\d+(:claim|:pieces)?$/,
  /^context:[^:]+:[0-9a-f]+:teams$/,
  /^archives:[0-9a-f]+$/,
];

/** Finds keys that should not exist any more. */
export async function keyFaults({ redis, keys }: State): Promise<string[]> {
  const faults: string[] = [];
  for (const key of await redis.keys(`${keys.prefix.replace(/[{}]/g, '?')}*`)) {
    const name = key.slice(keys.prefix.length);
    if (STANDING.some((pattern) => pattern.test(name))) continue;
    // -1: the key never expires; -2: it has just expired.
    if (EXPIRING.some((pattern) => pattern.test(name)) && (await redis.pttl(key)) !== -1) continue;
    faults.push(`key ${name} (${await redis.type(key)}) is left`);
  }
  return faults;
}

/** Finds slots that are still held. */
export async function slotFaults({ hosts }: State): Promise<string[]> {
  return (await hosts.list()).flatMap(({ report, held }) =>
    held.map(({ buildId, attempt }) => `host ${report.name} still holds a slot for ${buildId}, attempt ${attempt}`),
  );
}

/** Finds keys of jobs that are still in a queue. */
export async function jobFaults({ redis, keys }: State): Promise<string[]> {
  const jobs = (await redis.keys(`${keys.queues().replace(/[{}]/g, '?')}:*`)).map((key) =>
    key.slice(keys.prefix.length),
  );
  return jobs
    .filter((name) => !STANDING.some((pattern) => pattern.test(name)))
    .map((name) => `queue key ${name} is left`);
}
