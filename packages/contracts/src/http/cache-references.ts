import { z } from 'zod';
import { instant, teamName } from './fields.ts';

/** Body of `POST /v1/caches/clean-registries`. */
export const cleanRequest = z
  .strictObject({
    unusedForSeconds: z.int().min(0).optional().meta({
      description: 'Only references that no build has used for this long. Default: `KILN_CACHE_REFERENCE_DAYS`.',
    }),
    team: teamName
      .optional()
      .meta({ description: 'Only references of this team. Default for operators: of all teams.' }),
    dryRun: z.boolean().optional().meta({ description: 'Delete nothing, and report what would be deleted.' }),
  })
  .meta({ id: 'CleanRequest' });
export type CleanRequest = z.input<typeof cleanRequest>;

const RESULTS = ['deleted', 'would_delete', 'gone', 'kept', 'not_a_cache', 'unsupported', 'failed'] as const;

export const cleanedReference = z
  .strictObject({
    team: z.string(),
    ref: z.string(),
    usedAt: instant.meta({ description: 'When a build last exported or imported it.' }),
    result: z.enum(RESULTS).meta({
      description:
        '`gone`: it didn’t exist any more. `kept`: it, or another reference with the same manifest, is in use. `not_a_cache`: something else was pushed there. `unsupported`: the registry deletes nothing.',
    }),
    detail: z.string().optional(),
  })
  .meta({ id: 'CleanedReference' });
export type CleanedReference = z.output<typeof cleanedReference>;

export const cleanAnswer = z
  .strictObject({
    references: z.array(cleanedReference),
    omitted: z.int().min(0).meta({ description: 'Unused references that were left for another call.' }),
  })
  .meta({ id: 'CleanAnswer' });
export type CleanAnswer = z.output<typeof cleanAnswer>;
