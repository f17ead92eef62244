import type { State } from '@kiln/state';

/** What may be left when all builds have ended and been forgotten: the pool's own standing state, and what expires by itself. */
const STANDING: readonly RegExp[] = [
  /^(events|replicated)$/,
  /^leader(:token(:fence|:server)?)?$/,
  /^hosts(:epoch|:removed)?$/,
  // Up to when builds were forgotten.
  /^history:forgotten$/,
  /^host:[^:]+(:lease|:past|:inventory)?$/,
  // What is known of repos, not of builds.
  /^usages(:changed|:revision)?$/,
  /^learned:(pool|repos|at)$/,
  /^audit(:last|:strangers)?$/,
  // What lies in the blob store outlives its builds; what live logs may take, and the sum of it.
  /^storage:(blobs|used)$/,
  /^logs:(limits|live:bytes)$/,
  // BullMQ's memory of a queue, not of its jobs.
  /^q:(?:host-[^:]+|schedules|hooks-in|hooks-out|reports):(meta|id|events|marker|stalled-check|pc)$/,
];
const EXPIRING: readonly RegExp[] = [
  /^idem:/,
  /^(history:claim|storage:recount|memory:level)$/,
  /^log:[^:]+:\d+(:claim|:pieces)?$/,
  /^context:[^:]+:[0-9a-f]+:teams$/,
];

/** Keys that should not be there, each with what it holds. */
export async function keyFaults({ redis, keys }: State): Promise<string[]> {
  const faults: string[] = [];
  for (const key of await redis.keys(`${keys.prefix.replace(/[{}]/g, '?')}*`)) {
    const name = key.slice(keys.prefix.length);
    if (STANDING.some((pattern) => pattern.test(name))) continue;
    // -1 would be a key that never expires; -2 is one that has just done so.
    if (EXPIRING.some((pattern) => pattern.test(name)) && (await redis.pttl(key)) !== -1) continue;
    faults.push(`key ${name} (${await redis.type(key)}) is left`);
  }
  return faults;
}

/** Slots that nothing runs in. */
export async function slotFaults({ hosts }: State): Promise<string[]> {
  return (await hosts.list()).flatMap(({ report, held }) =>
    held.map(({ buildId, attempt }) => `host ${report.name} still holds a slot for ${buildId}, attempt ${attempt}`),
  );
}

/** Jobs that are still in a host's queue. */
export async function jobFaults({ redis, keys }: State): Promise<string[]> {
  const jobs = (await redis.keys(`${keys.queues().replace(/[{}]/g, '?')}:*`)).map((key) =>
    key.slice(keys.prefix.length),
  );
  return jobs
    .filter((name) => !STANDING.some((pattern) => pattern.test(name)))
    .map((name) => `queue key ${name} is left`);
}
