// Without zod, as the command uses it.
import type { ArtifactOutput, OutputSpec, SingleOutput } from './output-spec.ts';

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
