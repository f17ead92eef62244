import { artifactsOf, type OutputSpec, outputsOf } from '@kiln/contracts';
import { UsageError } from '../../../io/errors.ts';
import type { CallPlan } from './call-flag.ts';
import { type Destination, type ParsedOutput, parseOutput } from './parse-output.ts';

/** The request's `output`, and what this command does with its artifacts. */
export interface OutputPlan {
  readonly output: OutputSpec;
  /** What is asked about the Dockerfile instead of a build. */
  readonly call?: CallPlan;
  /** For each artifact, in their order. */
  readonly destinations?: readonly Destination[];
  /** Image names in the outputs themselves: `type=image,name=…`. Like in buildx, `--tag` replaces them. */
  readonly names: readonly string[];
}

export interface OutputFlags {
  readonly tag: readonly string[];
  readonly output: readonly string[];
  readonly push: boolean | undefined;
  readonly load: boolean | 'host' | undefined;
}

const PUSH: ParsedOutput = { type: 'push', names: [], options: {} };
const LOAD: ParsedOutput = {
  ...{ type: 'artifact', format: 'docker', names: [], options: {} },
  destination: { type: 'engine' },
};

/** Combines `-o`, `--push` and `--load` like buildx does. @throws UsageError for outputs that Kiln doesn't support */
export function planOutput(flags: OutputFlags): OutputPlan {
  const given = flags.output.map(parseOutput);
  const pushed = flags.push
    ? given.map((one) => (one.type === 'image' ? { ...one, type: 'push' as const } : one))
    : given;
  const outputs = pushed.filter((one) => one.type !== 'none' && one.type !== 'image');
  if (flags.push && !outputs.some(({ type }) => type === 'push')) outputs.push(PUSH);
  if (flags.load === true && !outputs.some(({ destination }) => destination?.type === 'engine')) outputs.push(LOAD);
  if (flags.load === 'host') outputs.push({ type: 'load', names: [], options: {} });
  const destinations = outputs.flatMap(({ destination }) => destination ?? []);
  if (destinations.filter(({ type }) => type === 'stdout').length > 1)
    throw new UsageError('--output: multiple outputs configured to write to stdout; give all but one a dest=');
  const names = flags.tag.length > 0 ? [] : [...new Set(pushed.flatMap((one) => one.names))];
  return {
    output: combined(outputs, names),
    ...(destinations.length > 0 && { destinations }),
    names,
  };
}

/** @param names of all outputs together; empty if those of `--tag` count */
function combined(outputs: readonly ParsedOutput[], names: readonly string[]): OutputSpec {
  const areEqual = outputs.every((one) => !isImage(one) || one.names.length === names.length);
  const single = outputs.map((one) => {
    const { type, format, options } = one;
    const own = {
      ...(!areEqual && isImage(one) && { names: [...one.names] }),
      ...(Object.keys(options).length > 0 && { options: { ...options } }),
    };
    if (type === 'push') return { type, ...own };
    return type === 'load' ? { type } : { type: 'artifact' as const, ...(format !== 'tar' && { format }), ...own };
  });
  const [first] = single;
  if (!first) return { type: 'none' };
  return single.length === 1 ? first : { type: 'several', outputs: single };
}

function isImage({ type, format }: ParsedOutput): boolean {
  return type === 'push' || (type === 'artifact' && format !== 'tar');
}

/** Whether one of the outputs is an image, which has an ID. */
export function makesImage({ output }: Pick<OutputPlan, 'output'>): boolean {
  const files = artifactsOf(output).filter(({ format = 'tar' }) => format === 'tar');
  return outputsOf(output).length > files.length;
}

/** Says what becomes of an image that was named, but not sent anywhere, as buildx does. */
export function outputWarnings(
  { output }: OutputPlan,
  flags: { readonly tag: readonly string[]; readonly output: readonly string[] },
): string[] {
  if (output.type !== 'none' || flags.tag.length === 0 || flags.output.length > 0) return [];
  return [
    'no output is given, so the image stays in the build cache; --push pushes it, --load loads it into an engine',
  ];
}
