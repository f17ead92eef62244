import { gzipSync } from 'node:zlib';
import type { BuildRequestInput } from '@kiln/contracts';
import type { TestPool } from './test-pool.ts';

export const BLOB = 'history/0000000000000-a.ndjson.gz';
export const HOLDER = 'an archiver';
/** After the end of every build of a test, ms since the epoch. */
export const LATER = Date.now() + 3_600_000;

/** Runs a build to its end. Returns its id. */
export async function endedBuild(pool: TestPool, request: Partial<BuildRequestInput> = {}): Promise<string> {
  const { id } = await pool.submit(request);
  const ref = await pool.run(id);
  await pool.settle(ref, { end: 'succeeded', steps: { total: 3, cached: 1 }, result: { digest: 'sha256:d' } });
  return id;
}

/** Shrinks all ended builds as the API does, but without a blob store. Returns how many were shrunk. */
export async function shrinkAll({ state: { history } }: TestPool, holder = HOLDER): Promise<number> {
  await history.claim(holder);
  const builds = await history.read((await history.ended(LATER, 0, 10_000)).map(({ id }) => id));
  return history.shrink(
    holder,
    builds.map((build) => ({ ...build, place: { blob: BLOB, start: 0, bytes: gzipSync(build.document).length } })),
  );
}
