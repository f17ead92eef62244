import { type BuildSpec, buildSpec } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { unpackBuild, unpackRecord } from '../history/packed-build.ts';
import type { Keys } from '../redis/keys.ts';
import type { StoredBuild } from '../types.ts';
import { RequestNotUnderstood } from './errors.ts';

export function parseRecord(doc: string): BuildRecord {
  return JSON.parse(doc) as BuildRecord;
}

/** A build's record, of an ended one that was shrunk perhaps without its long texts; undefined where there is none. */
export async function readRecord(redis: Redis, keys: Keys, id: string): Promise<BuildRecord | undefined> {
  const doc = await redis.hget(keys.build(id), 'doc');
  // After the other: a build that is shrunk in between is found there.
  return doc === null ? readShrunk(redis, keys, id) : parseRecord(doc);
}

/** The record of an ended build that was shrunk, perhaps without its long texts. */
export async function readShrunk(redis: Redis, keys: Keys, id: string): Promise<BuildRecord | undefined> {
  const packed = await redis.hgetBuffer(keys.history(), id);
  return packed ? unpackRecord(id, packed) : undefined;
}

export async function readBuild(redis: Redis, keys: Keys, id: string): Promise<StoredBuild | undefined> {
  const [build] = await readBuilds(redis, keys, [id]);
  return build;
}

/** Those of `ids` that are there, in this order. @throws RequestNotUnderstood */
export async function readBuilds(redis: Redis, keys: Keys, ids: readonly string[]): Promise<StoredBuild[]> {
  const whole = await Promise.all(ids.map((id) => redis.hmget(keys.build(id), 'doc', 'spec')));
  const missing = ids.filter((_, i) => !whole[i]?.[0]);
  // After the others: a build that is shrunk in between is found here.
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
