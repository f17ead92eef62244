import { BLOB_KINDS, buildOfKey, isCountedKey } from '@kiln/contracts';
import type { BlobStore, BuildStore, ContextTeams, StorageLedger } from '@kiln/state';
import type { Logger } from 'pino';

/** An entry without a blob, counted last so long ago, is of an upload or a blob that is gone, ms. */
const GONE_MS = 10 * 60_000;

interface Recounted {
  readonly blobs: Pick<BlobStore, 'list' | 'stat'>;
  readonly storage: Pick<StorageLedger, 'entry' | 'charge' | 'entries' | 'release'>;
  readonly builds: Pick<BuildStore, 'record'>;
  readonly contextTeams: Pick<ContextTeams, 'teamsOf'>;
}

/**
 * Compares what is counted for teams with the blobs that are there, and makes differences good: what a process left that died between
 * a blob and its entry, what was there before anything was counted, what somebody deleted by hand. Answers how many entries it mended.
 */
export async function recountStorage(
  { blobs, storage, builds, contextTeams }: Recounted,
  now: number,
  log: Logger,
  signal: AbortSignal,
): Promise<number> {
  const teamsOf = async (key: string): Promise<string[]> => {
    const buildId = buildOfKey(key);
    if (buildId === undefined) return contextTeams.teamsOf(digestOf(key));
    const team = (await builds.record(buildId))?.team;
    return team === undefined ? [] : [team];
  };
  let mended = 0;
  for (const kind of BLOB_KINDS) {
    for await (const key of blobs.list(kind)) {
      if (signal.aborted) return mended;
      if (!isCountedKey(key)) continue;
      const info = await blobs.stat(key);
      if (!info) continue;
      const entry = await storage.entry(key);
      const isSame = entry?.sizeBytes === info.sizeBytes;
      // A build has one team, and keeps it; a context may have got another.
      if (isSame && kind !== 'contexts') continue;
      const teams = [...new Set([...(entry?.teams ?? []), ...(await teamsOf(key))])];
      if (teams.length === 0 || (isSame && teams.length === entry.teams.length)) continue;
      await storage.charge(
        key,
        info.sizeBytes,
        teams.map((team) => ({ team })),
      );
      mended += 1;
    }
  }
  for await (const { key, at } of storage.entries()) {
    if (signal.aborted) return mended;
    const before = now - GONE_MS;
    if (at < before && !(await blobs.stat(key)) && (await storage.release(key, before))) mended += 1;
  }
  if (mended > 0) log.info({ mended }, 'storage recounted');
  return mended;
}

/** `contexts/sha256-…` is of the digest `sha256:…`. */
function digestOf(key: string): string {
  return key.slice(key.indexOf('/') + 1).replace('-', ':');
}
