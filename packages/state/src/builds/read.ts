import { type BuildSpec, buildSpec } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import type { StoredBuild } from '../types.ts';
import { RequestNotUnderstood } from './errors.ts';
import { unpackBuild, unpackRecord } from './packed-build.ts';

export function parseRecord(doc: string): BuildRecord {
  return JSON.parse(doc) as BuildRecord;
}

/** Reads a build's record; undefined if there is none. That of a shrunk build may lack its long texts. */
export async function readRecord(redis: Redis, keys: Keys, id: string): Promise<BuildRecord | undefined> {
  const doc = await redis.hget(keys.build(id), 'doc');
  // In this order, a build that is shrunk meanwhile is found.
  return doc === null ? readShrunk(redis, keys, id) : parseRecord(doc);
}

/** Reads the record of a shrunk build, which may lack its long texts. */
export async function readShrunk(redis: Redis, keys: Keys, id: string): Promise<BuildRecord | undefined> {
  const packed = await redis.hgetBuffer(keys.history(), id);
  return packed ? unpackRecord(id, packed) : undefined;
}

export async function readBuild(redis: Redis, keys: Keys, id: string): Promise<StoredBuild | undefined> {
  const [build] = await readBuilds(redis, keys, [id]);
  return build;
}

/** Reads the builds of `ids` that exist, in this order. @throws RequestNotUnderstood */
export async function readBuilds(redis: Redis, keys: Keys, ids: readonly string[]): Promise<StoredBuild[]> {
  const whole = await Promise.all(ids.map((id) => redis.hmget(keys.build(id), 'doc', 'spec')));
  const missing = ids.filter((_, i) => !whole[i]?.[0]);
  // In this order, a build that is shrunk meanwhile is found.
  const packed = missing.length > 0 ? await redis.hmgetBuffer(keys.history(), ...missing) : [];
  const packedOf = new Map(missing.map((id, i) => [id, packed[i]]));
  return ids.flatMap((id, i) => {
    const [doc, spec] = whole[i] ?? [];
    if (doc && spec) return [{ record: parseRecord(doc), spec: parseSpec(spec, id) }];
    const rest = packedOf.get(id);
    return rest ? [unpackBuild(id, rest)] : [];
  });
}

function parseSpec(json: string, id: string): BuildSpec {
  const parsed = buildSpec.safeParse(JSON.parse(json));
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => [...path, message].join(' '));
  throw new RequestNotUnderstood(id, issues.join('; '));
}
