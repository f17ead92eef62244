import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type BuildSpec, buildSpec } from '@kiln/contracts';
import type { Attempt, BuildRecord } from '@kiln/domain';
import type { HistoryPlace, StoredBuild } from '../types.ts';
import { CorruptState } from './errors.ts';
import { DICTIONARIES, NEWEST_DICTIONARY } from './packed-dictionary.ts';

/** The most bytes that Redis keeps of an archived build, so that it can keep millions of them. */
const MAX_PACKED_BYTES = 480;
/** Longer records and requests never pack to that size and aren't tried. */
const MAX_TRIED_CHARS = 8_192;
/** zlib's output chunk. Builds that are packed whole fit into one. */
const UNPACK_CHUNK_BYTES = 4_096;
const CUT_MESSAGE_CHARS = 160;
const CUT_ATTEMPTS = 3;

/** What is packed, as JSON. `b`: place of the document; `c`: long parts are cut; `r`: record without its id; `s`: request. */
interface Packed {
  readonly b: readonly [blob: string, start: number, bytes: number];
  readonly c?: 1;
  readonly r: Omit<BuildRecord, 'id'>;
  readonly s: Partial<BuildSpec>;
}

/** Packs `doc` and `spec` of a build's hash: whole if that is small enough, else without the long parts. */
export function packBuild(doc: string, spec: string, place: HistoryPlace): Buffer {
  const { id: _, ...record } = JSON.parse(doc) as BuildRecord;
  const request = JSON.parse(spec) as BuildSpec;
  const b = [place.blob, place.start, place.bytes] as const;
  if (doc.length + spec.length <= MAX_TRIED_CHARS) {
    const whole = pack({ b, r: record, s: request });
    if (whole.length <= MAX_PACKED_BYTES) return whole;
  }
  return pack({ b, c: 1, r: cutRecord(record), s: cutSpec(request) });
}

/** Unpacks a build. @throws CorruptState */
export function unpackBuild(id: string, packed: Buffer): StoredBuild {
  const { b, c, r, s } = unpack(id, packed);
  const spec = buildSpec.safeParse(s);
  if (!spec.success) throw new CorruptState(`the stored request of build ${id} is not valid: ${spec.error.message}`);
  const [blob, start, bytes] = b;
  return { record: { id, ...r }, spec: spec.data, archived: { blob, start, bytes, isCut: c === 1 } };
}

/** Unpacks the record alone. How the build ended is never cut, only messages are. @throws CorruptState */
export function unpackRecord(id: string, packed: Buffer): BuildRecord {
  return { id, ...unpack(id, packed).r };
}

function pack(packed: Packed): Buffer {
  const dictionary = DICTIONARIES.get(NEWEST_DICTIONARY);
  const bytes = deflateRawSync(JSON.stringify(packed), { level: 9, ...(dictionary && { dictionary }) });
  return Buffer.concat([Buffer.of(NEWEST_DICTIONARY), bytes]);
}

function unpack(id: string, packed: Buffer): Packed {
  const dictionary = DICTIONARIES.get(packed[0] ?? 0);
  if (!dictionary)
    throw new CorruptState(`build ${id} is packed as version ${packed[0]}, which this process can’t read`);
  try {
    return JSON.parse(
      inflateRawSync(packed.subarray(1), { dictionary, chunkSize: UNPACK_CHUNK_BYTES }).toString('utf8'),
    ) as Packed;
  } catch (error) {
    throw new CorruptState(`build ${id} can’t be unpacked: ${(error as Error).message}`, { cause: error });
  }
}

/** The record without parts that may be long. Fields that lists filter by stay, and so do hosts and times of attempts. */
function cutRecord({ failure, result, attempts, ...rest }: Omit<BuildRecord, 'id'>): Omit<BuildRecord, 'id'> {
  const { pushed: _, notPushed: __, loaded: ___, targets: ____, ...digests } = result ?? {};
  return {
    ...rest,
    attempts: attempts.slice(-CUT_ATTEMPTS).map(cutAttempt),
    ...(result && { result: digests }),
    ...(failure && { failure: { code: failure.code, message: failure.message.slice(0, CUT_MESSAGE_CHARS) } }),
  };
}

function cutAttempt({ failure: _, ...attempt }: Attempt): Attempt {
  return attempt;
}

/** The request without parts that may be long. One secret's id stays, because it must show whether the build has any. */
function cutSpec(spec: BuildSpec): Partial<BuildSpec> {
  const {
    buildArgs: _,
    labels: __,
    tags: ___,
    hostLabels: ____,
    storedSecrets: _____,
    cache: ______,
    bake: _______,
    secrets,
    ...rest
  } = spec;
  return { ...rest, secrets: secrets.slice(0, 1) };
}
