import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

const FOLDER = new URL('../lua/', import.meta.url);

/**
 * Reads a Lua file and replaces its `-- @include name` lines by `lib/name.lua`. The first line may say when Redis runs it
 * (`#!lua flags=…`, Redis 7): `allow-oom` for what must work while Redis is full, `no-writes` for what only reads.
 */
function source(name: string): string {
  const text = readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8');
  return text.replace(/^-- @include (\S+)$/gm, (_, included: string) =>
    readFileSync(new URL(`lib/${included}.lua`, FOLDER), 'utf8'),
  );
}

export type ScriptName =
  | 'accept-build'
  | 'add-charge'
  | 'assign-build'
  | 'start-attempt'
  | 'pin-source'
  | 'settle-attempt'
  | 'cancel-build'
  | 'follow-up'
  | 'reclaim-attempt'
  | 'abandon-build'
  | 'shrink-builds'
  | 'purge-builds'
  | 'append-log'
  | 'move-piece'
  | 'archive-log'
  | 'recount-logs'
  | 'hold-lock'
  | 'read-together'
  | 'note-memory'
  | 'next-epoch'
  | 'sync-host'
  | 'leave-host'
  | 'publish-inventory'
  | 'learn-saving'
  | 'publish-evictions'
  | 'save-learned'
  | 'learn-usage'
  | 'cordon-host'
  | 'uncordon-host'
  | 'drain-host'
  | 'set-host'
  | 'remove-host'
  | 'purge-host'
  | 'mark-moves'
  | 'create-task'
  | 'claim-task'
  | 'progress-task'
  | 'settle-task'
  | 'create-token'
  | 'use-token'
  | 'revoke-token'
  | 'end-session'
  | 'set-secret'
  | 'remove-secret'
  | 'use-secrets'
  | 'reseal-secret'
  | 'reseal-build'
  | 'reseal-doc'
  | 'append-audit'
  | 'set-limits'
  | 'set-cache-mode'
  | 'charge-blob'
  | 'release-blob'
  | 'create-schedule'
  | 'change-schedule'
  | 'receive-delivery'
  | 'release-lock'
  | 'track-report'
  | 'add-message'
  | 'lead';

const sources = new Map<string, string>();

function sourceOf(name: string): string {
  const lua = sources.get(name) ?? source(name);
  sources.set(name, lua);
  return lua;
}

let digests: ReadonlyMap<string, string> | undefined;

/** Names of Kiln's scripts by the digest under which Redis caches them. */
export function scriptDigests(): ReadonlyMap<string, string> {
  digests ??= new Map(
    readdirSync(FOLDER)
      .filter((file) => file.endsWith('.lua'))
      .map((file) => file.slice(0, -'.lua'.length))
      .map((name) => [createHash('sha1').update(sourceOf(name)).digest('hex'), name]),
  );
  return digests;
}

/** Runs one of Kiln's scripts by its digest, or by its source if Redis doesn't have it, as after a restart. */
export async function runScript(
  redis: Redis,
  name: ScriptName,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  const commands = redis as unknown as Record<
    string,
    ((...args: (string | number | Buffer)[]) => Promise<unknown>) | undefined
  >;
  const command = `kiln:${name}`;
  if (!commands[command]) redis.defineCommand(command, { lua: sourceOf(name) });
  const run = commands[command];
  if (!run) throw new Error(`script ${name} could not be defined`);
  return run.call(redis, keys.length, ...keys, ...args);
}
