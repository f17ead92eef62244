import type { OutputType } from '@kiln/domain';
import { z } from 'zod';
import { tagReference } from './fields.ts';

/** The options of BuildKit's exporters that change the result. Those that concern a host's image store or its connections are the operator's. */
export const EXPORT_OPTIONS = [
  ...(['compression', 'compression-level', 'force-compression', 'oci-mediatypes', 'oci-artifact'] as const),
  ...(['rewrite-timestamp', 'platform-split', 'name-canonical', 'push-by-digest', 'prefer-nondist-layers'] as const),
] as const;

/** `annotation.KEY`, `annotation-index.KEY`, `annotation-manifest[linux/amd64].KEY`. */
const ANNOTATION_OPTION =
  /^annotation(?:-(?:manifest|index|manifest-descriptor|index-descriptor))?(?:\[[A-Za-z0-9_/-]+\])?\.[^=\s]+$/;

const MAX_OPTIONS = 64;
const MAX_OUTPUTS = 8;

/** Whether an output can have the option. */
export function isExportOption(key: string): boolean {
  return EXPORT_OPTIONS.some((known) => known === key) || ANNOTATION_OPTION.test(key);
}

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

/** Returns each output of a build. */
export function outputsOf(output: OutputSpec): readonly SingleOutput[] {
  if (output.type === 'none') return [];
  return output.type === 'several' ? output.outputs : [output];
}

/** Returns the outputs that are files to download. */
export function artifactsOf(output: OutputSpec): readonly ArtifactOutput[] {
  return outputsOf(output).filter((one) => one.type === 'artifact');
}

/** Returns the names under which a build pushes its image. */
export function pushedNames({ output, tags }: { output: OutputSpec; tags: readonly string[] }): readonly string[] {
  const pushes = outputsOf(output).filter((one) => one.type === 'push');
  return [...new Set(pushes.flatMap((one) => one.names ?? tags))];
}

/** A part of a request that contradicts its output. */
export interface OutputConflict {
  readonly path: PropertyKey[];
  readonly expected: string;
  readonly input: unknown;
}

/** Returns what contradicts the outputs of a request. */
export function outputConflicts(request: {
  readonly output: OutputSpec;
  readonly tags: readonly string[];
  readonly platforms: readonly string[];
}): OutputConflict[] {
  const { output, tags, platforms } = request;
  const outputs = outputsOf(output);
  const conflicts: OutputConflict[] = [];
  if (outputs.some((one) => one.type === 'push' && (one.names ?? tags).length === 0))
    conflicts.push({ path: ['tags'], expected: 'at least one tag, because output.type is push', input: tags });
  const isOnePlatform = outputs.find((one) => one.type === 'load' || isDockerArchive(one));
  if (isOnePlatform && platforms.length > 1) {
    const expected = isDockerArchive(isOnePlatform)
      ? 'one platform, because a docker archive contains only one; an OCI archive can contain several'
      : 'one platform, because output.type is load and an engine can load only one';
    conflicts.push({ path: ['platforms'], expected, input: platforms });
  }
  const images = outputs.filter(isImage);
  const isNamed = images.some((one) => one.names !== undefined);
  for (const [i, one] of outputs.entries()) {
    const path = output.type === 'several' ? ['output', 'outputs', i, 'names'] : ['output', 'names'];
    if (isNamed && isImage(one) && !one.names)
      conflicts.push({ path, expected: 'names, because another output has some', input: undefined });
    const foreign = one.type === 'load' ? undefined : one.names?.find((name) => !tags.includes(name));
    if (foreign !== undefined) conflicts.push({ path, expected: 'only names that are in tags', input: foreign });
    if (isNamed && one.type === 'load')
      conflicts.push({ path, expected: 'no names in any output, because a loaded image gets all tags', input: images });
  }
  return conflicts;
}

function isDockerArchive(one: SingleOutput): boolean {
  return one.type === 'artifact' && one.format === 'docker';
}

/** Whether an output is an image that can have names. */
function isImage(one: SingleOutput): one is Exclude<SingleOutput, { readonly type: 'load' }> {
  return one.type === 'push' || (one.type === 'artifact' && one.format !== undefined && one.format !== 'tar');
}
