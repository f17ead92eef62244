import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type BuildSpec, buildSpec } from '@kiln/contracts';
import type { Attempt, BuildRecord } from '@kiln/domain';
import { CorruptState } from '../builds/errors.ts';
import type { HistoryPlace, StoredBuild } from '../types.ts';
import { DICTIONARIES, NEWEST_DICTIONARY } from './dictionary.ts';

/** What Redis keeps of an ended build whose document is in the blob store. Small enough for millions of them. */
const MAX_PACKED_BYTES = 480;
/** Longer ones don't pack to that little: they aren't tried. */
const MAX_TRIED_CHARS = 8_192;
/** What zlib sets aside to unpack into: more than one chunk is needed only for what is cut. */
const UNPACK_CHUNK_BYTES = 4_096;
const CUT_MESSAGE_CHARS = 160;
const CUT_ATTEMPTS = 3;

/** JSON before it is packed. `b`: place of the document; `c`: long parts are cut; `r`: record without its id; `s`: request. */
interface Packed {
  readonly b: readonly [blob: string, start: number, bytes: number];
  readonly c?: 1;
  readonly r: Omit<BuildRecord, 'id'>;
  readonly s: Partial<BuildSpec>;
}

/** `doc` and `spec` as they are stored in the build's hash. Whole where it stays small, else without its long parts. */
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

/** @throws CorruptState */
export function unpackBuild(id: string, packed: Buffer): StoredBuild {
  const { b, c, r, s } = unpack(id, packed);
  const spec = buildSpec.safeParse(s);
  if (!spec.success) throw new CorruptState(`the stored request of build ${id} is not one: ${spec.error.message}`);
  const [blob, start, bytes] = b;
  return { record: { id, ...r }, spec: spec.data, archived: { blob, start, bytes, isCut: c === 1 } };
}

/** The record alone: what tells how the build ended is never cut but for its words. @throws CorruptState */
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

/** Without what may be long. What lists are filtered by stays, and who ran it when. */
function cutRecord({ failure, result, attempts, ...rest }: Omit<BuildRecord, 'id'>): Omit<BuildRecord, 'id'> {
  const { pushed: _, loaded: __, ...digests } = result ?? {};
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

/** Of its secrets' ids one stays: whether it has any is asked without the document. */
function cutSpec(spec: BuildSpec): Partial<BuildSpec> {
  const { buildArgs: _, labels: __, tags: ___, hostLabels: ____, storedSecrets: _____, secrets, ...rest } = spec;
  return { ...rest, secrets: secrets.slice(0, 1) };
}
