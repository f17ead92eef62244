import { z } from 'zod';
import { MAX_TREE_DIGESTS } from './constants.ts';
import { contextDigest, teamName } from './fields.ts';

/** Query of the routes of trees. */
export const treeQuery = z.strictObject({
  team: teamName.optional().meta({ description: 'Default: the credential’s own team, if it has one.' }),
});

/** Query of `POST /v1/trees`. */
export const storeTreeQuery = treeQuery.extend({
  purpose: z.enum(['context', 'snapshot']).default('context').meta({
    description: 'What the parts are for: the limits of contexts don’t apply to snapshots of caches.',
  }),
});

/** Body of `POST /v1/trees/missing` and `POST /v1/trees/read`. */
export const treeDigests = z
  .strictObject({
    directories: z.array(contextDigest).max(MAX_TREE_DIGESTS).default([]),
    files: z
      .array(contextDigest)
      .max(MAX_TREE_DIGESTS)
      .default([])
      .meta({ description: 'Only files of more than 32 KiB; smaller ones are in their directory.' }),
  })
  .superRefine(({ directories, files }, ctx) => {
    if (directories.length + files.length <= MAX_TREE_DIGESTS) return;
    const message = `at most ${MAX_TREE_DIGESTS} digests together with directories`;
    ctx.addIssue({ code: 'custom', path: ['files'], message, input: files });
  })
  .meta({ id: 'TreeDigests' });
export type TreeDigests = z.output<typeof treeDigests>;

/** Which of the digests that were asked for must be sent. */
export const missingTreeParts = z
  .strictObject({
    directories: z.array(contextDigest).meta({
      description: 'Directories that are not stored. One that is stored is stored with everything below it.',
    }),
    files: z.array(
      z.strictObject({
        digest: contextDigest,
        storedBytes: z.int().min(0).meta({
          description:
            'How many bytes an interrupted upload left of the beginning of the file; the part may begin there.',
        }),
      }),
    ),
  })
  .meta({ id: 'MissingTreeParts' });
export type MissingTreeParts = z.output<typeof missingTreeParts>;

/** What a `POST /v1/trees` has stored. */
export const storedTreeParts = z
  .strictObject({
    directories: z.int(),
    files: z.int().meta({ description: 'Files with an object of their own.' }),
    bytes: z.int().meta({ description: 'Bytes of both, including those that were stored already.' }),
  })
  .meta({ id: 'StoredTreeParts' });
export type StoredTreeParts = z.output<typeof storedTreeParts>;
