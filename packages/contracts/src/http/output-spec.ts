import type { OutputType } from '@kiln/domain';
import { z } from 'zod';
import { EXPORT_OPTIONS, isExportOption } from './export-options.ts';
import { tagReference } from './fields.ts';

const MAX_OPTIONS = 64;
const MAX_OUTPUTS = 8;

const options = z
  .record(
    z
      .string()
      .max(256, { abort: true })
      .refine(isExportOption, `one of ${EXPORT_OPTIONS.join(', ')}, or annotation.KEY`),
    z
      .string()
      .max(4_096)
      .regex(/^[^\p{Cc}]*$/u, 'a text without control characters'),
  )
  .refine((given) => Object.keys(given).length <= MAX_OPTIONS, `at most ${MAX_OPTIONS} options`)
  .optional()
  .meta({ description: 'Options of the exporter in buildx’s notation, such as `{"compression": "zstd"}`.' });

const names = z.array(tagReference).max(64).optional().meta({
  description:
    'Those of `tags` that this image gets. Default: all. If one output has names, the others need theirs, which may be none.',
});

const push = z.strictObject({ type: z.literal('push'), names, options });
const load = z.strictObject({ type: z.literal('load') });
const artifact = z.strictObject({
  type: z.literal('artifact'),
  format: z.enum(['tar', 'docker', 'oci']).optional().meta({
    description:
      'What the tar contains: the files of the final stage (`tar`, the default), or the image as `docker save` writes it (`docker`) or as an OCI layout (`oci`).',
  }),
  names,
  options,
});

const several = z.strictObject({
  type: z.literal('several'),
  outputs: z
    .array(z.discriminatedUnion('type', [push, load, artifact]))
    .min(2)
    .max(MAX_OUTPUTS),
});

export const outputSpec = z
  .discriminatedUnion('type', [z.strictObject({ type: z.literal('none') }), push, load, artifact, several])
  .meta({
    id: 'Output',
    description:
      'What to do with the result: `push` it to the registries of `tags`, `load` it into the host’s engine, keep the files of the final stage or the image as an `artifact` (a tar to download), `none`, or `several` of these. If several outputs are artifacts, the tar to download has a file for each, in their order: `0.tar`, `1.tar`, ….',
  });

export type OutputSpec = z.output<typeof outputSpec>;
export type SingleOutput = Extract<OutputSpec, { readonly type: OutputType }>;
export type ArtifactOutput = Extract<OutputSpec, { readonly type: 'artifact' }>;
