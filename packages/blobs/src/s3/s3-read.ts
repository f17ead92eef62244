import { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import type { BlobRange } from '../blob-store.ts';
import { BlobStoreUnavailable } from '../errors.ts';
import { asUnavailable, isMissing, reasonOf, statusOf } from './s3-errors.ts';

/** How often reading continues where an answer broke off, unless `PROGRESS_BYTES` came since the last time. */
const MAX_RESUMES = 4;
const PROGRESS_BYTES = 1024 * 1024;

/** Part of an object: from byte `from` to before byte `to`. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly etag: string | undefined;
  readonly body: Readable;
}

export interface S3Object {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  /** How long an answer may take to begin, with all retries. */
  readonly beginMs: number;
}

/**
 * Opens an object for reading; undefined if there is none. An answer that breaks off is continued by another request; one whose length
 * isn't what was asked for is an error. Never ends before the end.
 * @throws BlobStoreUnavailable, also from the stream
 */
export async function readObject(object: S3Object, { start = 0, end }: BlobRange): Promise<Readable | undefined> {
  const first = await getPart(object, start, end, undefined);
  if (first === undefined || first === 'nothing') return first && Readable.from([], { objectMode: false });
  let current = first.body;
  async function* bytes(part: Part): AsyncGenerator<Buffer> {
    let at = part.from;
    let body = part.body;
    let resumes = 0;
    let resumedAt = at;
    for (;;) {
      let failure: unknown;
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          at += chunk.length;
          if (at > part.to) break;
          yield chunk;
        }
      } catch (error) {
        failure = error;
      }
      if (at === part.to && failure === undefined) return;
      const got = `${at - part.from} of ${part.to - part.from} bytes`;
      if (at > part.to)
        throw new BlobStoreUnavailable(
          `reading blob ${object.key} failed: got more than the ${part.to - part.from} bytes that were asked for`,
        );
      if (at - resumedAt >= PROGRESS_BYTES) resumes = 0;
      resumes += 1;
      if (resumes > MAX_RESUMES) {
        const reason = failure instanceof Error ? reasonOf(failure) : 'the answer ended early';
        throw new BlobStoreUnavailable(`reading blob ${object.key} broke off after ${got}: ${reason}`, {
          cause: failure,
        });
      }
      resumedAt = at;
      const next = at === part.to ? 'nothing' : await getPart(object, at, part.to - 1, part.etag);
      if (next === 'nothing') return;
      if (!next)
        throw new BlobStoreUnavailable(`reading blob ${object.key} broke off after ${got}: the blob was deleted`);
      body = next.body;
      current = body;
    }
  }
  const stream = Readable.from(bytes(first), { objectMode: false });
  // A stream that is destroyed before it is read never starts its generator.
  stream.once('close', () => current.destroy());
  return stream;
}

/** Requests a part of an object. `nothing`: the object has no byte there. */
async function getPart(
  { client, bucket, key, beginMs }: S3Object,
  from: number,
  end: number | undefined,
  etag: string | undefined,
): Promise<Part | 'nothing' | undefined> {
  let answer: GetObjectCommandOutput;
  try {
    // Always a range, because its answer says how long the whole is, too: what came can be compared with that.
    const Range = `bytes=${from}-${end ?? ''}`;
    const get = new GetObjectCommand({ Bucket: bucket, Key: key, Range, ...(etag !== undefined && { IfMatch: etag }) });
    answer = await beginWithin(beginMs, (abortSignal) => client.send(get, { abortSignal }));
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (statusOf(error) === 416) return 'nothing';
    throw asUnavailable(error, `reading blob ${key}`);
  }
  const body = answer.Body as Readable;
  // An error may occur before the first read, which then throws it.
  body.on('error', () => {});
  const to = endOf(answer, from, end);
  if (to === undefined) {
    body.destroy();
    const got = `length ${answer.ContentLength}, range ${JSON.stringify(answer.ContentRange ?? '')}`;
    throw new BlobStoreUnavailable(
      `reading blob ${key} failed: got ${got}, expected bytes ${from} to ${end ?? 'the end'}`,
    );
  }
  if (to > from) return { from, to, etag: answer.ETag, body };
  body.destroy();
  return 'nothing';
}

/** Limits the time until an answer begins; its body may take any time. */
async function beginWithin<T>(ms: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ms);
  try {
    return await call(late.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** The byte after the last one of an answer, if the answer is what was asked for. */
function endOf(
  { ContentLength, ContentRange }: GetObjectCommandOutput,
  from: number,
  end: number | undefined,
): number | undefined {
  if (ContentLength === undefined) return undefined;
  // Only of an empty object nothing can be asked for; some stores send it without a range then.
  if (ContentRange === undefined) return from === 0 && ContentLength === 0 ? 0 : undefined;
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange) ?? [];
  if (first === undefined || Number(first) !== from) return undefined;
  const expectedLast = Math.min(end ?? Number.POSITIVE_INFINITY, Number(size) - 1);
  if (Number(last) !== expectedLast || ContentLength !== expectedLast - from + 1) return undefined;
  return expectedLast + 1;
}
