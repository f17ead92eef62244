import { CACHE_KINDS, TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { contextDigest, instant, teamName } from '../http/fields.ts';

/** Version of the format of snapshots that this version writes. */
export const SNAPSHOT_FORMAT = 1;
/** Version of manifests that have owners, and the newest that this version reads. Without owners it is the one above, which older versions read. */
export const OWNED_SNAPSHOT_FORMAT = 2;
/** Most bytes of a chunk before it is compressed. */
export const MAX_SNAPSHOT_CHUNK_BYTES = 16 * 1024 * 1024;
const MAX_CHUNKS = 1_000_000;
const MAX_MOUNTS = 1_000;

const bytes = z.int().min(0);

/** Id of a snapshot: a ULID, like ids of builds. */
export const snapshotId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, 'a snapshot id of 26 characters');

/** A part of a mount's tar, compressed with zstd. */
const snapshotChunk = z.strictObject({
  /** SHA-256 of the compressed bytes. */
  digest: contextDigest,
  /** Of the compressed bytes. */
  sizeBytes: bytes.min(1),
  /** The compressed bytes in base64, if they are few: the others are files of the snapshot's tree. */
  data: z.string().optional(),
});
export type SnapshotChunk = z.output<typeof snapshotChunk>;

const snapshotMount = z.strictObject({
  /** Its target, or the id that the Dockerfile gives it, without a namespace. */
  id: z.string().min(1).max(4096),
  kind: z.enum(CACHE_KINDS),
  /** What the RUN that uses it sets for its directory by `uid=`, `gid=` and `mode=`, if it sets any. */
  owner: z.strictObject({ uid: z.int().min(0), gid: z.int().min(0), mode: z.int().min(0).max(0o7777) }).optional(),
  /** Of the tar. */
  sizeBytes: bytes,
  /** SHA-256 of the tar. */
  digest: contextDigest,
  /** Files, directories, links and others. */
  entries: bytes,
  /** Whether a build changed a file while it was read. */
  changed: z.boolean(),
  chunks: z.array(snapshotChunk).max(MAX_CHUNKS),
});
export type SnapshotMount = z.output<typeof snapshotMount>;

/** What a snapshot consists of: the file `manifest.json` of its tree. */
export const snapshotManifest = z.strictObject({
  format: z.literal([SNAPSHOT_FORMAT, OWNED_SNAPSHOT_FORMAT]),
  mounts: z.array(snapshotMount).max(MAX_MOUNTS),
});
export type SnapshotManifest = z.output<typeof snapshotManifest>;

/** A snapshot of a repo's cache mounts, as it is stored and shown. */
export const snapshotView = z
  .strictObject({
    format: z.int().min(1),
    id: snapshotId,
    repo: z.string().min(1).max(4096).meta({ description: 'The repo whose caches it has.' }),
    team: teamName,
    trust: z.enum(TRUSTS).meta({
      description:
        'Trust class of the builds that wrote the caches. One of untrusted builds never fills the caches of trusted ones.',
    }),
    host: z.string().optional().meta({ description: 'The host that it was saved on. Absent: it was imported.' }),
    createdAt: instant,
    createdBy: z.string().optional(),
    root: contextDigest.meta({ description: 'Digest of the tree with its content.' }),
    storedBytes: bytes.meta({
      description: 'Compressed, before what it has in common with other snapshots is left out.',
    }),
    mounts: z.array(snapshotMount.pick({ id: true, kind: true, sizeBytes: true, entries: true, changed: true })),
  })
  .meta({ id: 'CacheSnapshot' });
export type SnapshotView = z.output<typeof snapshotView>;

export const snapshotList = z.strictObject({ snapshots: z.array(snapshotView) }).meta({ id: 'CacheSnapshotList' });

/** Query of `GET /v1/snapshots`. */
export const snapshotQuery = z.strictObject({
  repo: z.string().min(1).max(4096).optional(),
  team: teamName.optional(),
});

const owner = {
  repo: z.string().min(1).max(4096),
  team: teamName.optional().meta({ description: 'Default: the credential’s own team, if it has one.' }),
  trust: z.enum(TRUSTS).optional().meta({ description: 'Default: the credential’s own trust class.' }),
};

/** Body of `POST /v1/snapshots`. */
export const newSnapshot = z
  .strictObject({
    ...owner,
    root: contextDigest.meta({ description: 'Digest of a stored tree that is a snapshot.' }),
    id: snapshotId
      .optional()
      .meta({ description: 'Default: a new one. Repeating a request with an id changes nothing else.' }),
    host: z
      .string()
      .max(100)
      .optional()
      .meta({ description: 'The host that saved it, from workers and credentials for all teams.' }),
  })
  .meta({ id: 'NewCacheSnapshot' });
export type NewSnapshot = z.input<typeof newSnapshot>;

/** Body of `POST /v1/caches/save`. */
export const saveRequest = z
  .strictObject({
    ...owner,
    host: z.string().max(100).optional().meta({ description: 'Default: the host that is warmest for the repo.' }),
  })
  .meta({ id: 'SaveCaches' });
export type SaveRequest = z.input<typeof saveRequest>;

/** Body of `POST /v1/caches/seed`. */
export const seedRequest = z
  .strictObject({
    ...owner,
    host: z.string().max(100),
    snapshot: snapshotId.optional().meta({ description: 'Default: the repo’s newest.' }),
  })
  .meta({ id: 'SeedCaches' });
export type SeedRequest = z.input<typeof seedRequest>;
