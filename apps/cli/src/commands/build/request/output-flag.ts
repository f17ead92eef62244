import { UsageError } from '../../../io/errors.ts';
import { csvFields, csvPairs } from './csv.ts';

/** Where to write the files of an output of type `artifact`. */
export type Destination =
  | { readonly type: 'directory'; readonly path: string }
  | { readonly type: 'file'; readonly path: string }
  | { readonly type: 'stdout' };

/** The request's `output`, and what this command does with the artifact. */
export interface OutputPlan {
  readonly output: 'none' | 'push' | 'load' | 'artifact';
  readonly destination?: Destination;
  /** Image names in the output itself: `type=image,name=…`. */
  readonly names: readonly string[];
}

/** Combines `-o`, `--push` and `--load` like buildx does. @throws UsageError for outputs that Kiln doesn't support */
export function planOutput(flags: {
  readonly output: readonly string[];
  readonly push: boolean | undefined;
  readonly load: boolean | undefined;
}): OutputPlan {
  if (flags.output.length > 1) throw new UsageError('--output can be given only once');
  const given = flags.output[0] === undefined ? undefined : parseOutput(flags.output[0]);
  if (flags.push && flags.load) throw new UsageError('--push cannot be combined with --load');
  if (flags.push) {
    if (given && !given.isImage) throw new UsageError(`--push cannot be combined with --output ${flags.output[0]}`);
    return { output: 'push', names: given?.plan.names ?? [] };
  }
  if (flags.load) {
    if (given && given.plan.output !== 'load') {
      throw new UsageError(`--load cannot be combined with --output ${flags.output[0]}`);
    }
    return { output: 'load', names: given?.plan.names ?? [] };
  }
  return given?.plan ?? { output: 'none', names: [] };
}

/** Says what becomes of an image that was named, but not sent anywhere, as buildx does. */
export function outputWarnings(
  { output }: OutputPlan,
  flags: { readonly tag: readonly string[]; readonly output: readonly string[] },
): string[] {
  if (output !== 'none' || flags.tag.length === 0 || flags.output.length > 0) return [];
  return [
    'no output is given, so the image stays in the build cache; --push pushes it, --load loads it into an engine',
  ];
}

interface ParsedOutput {
  readonly plan: OutputPlan;
  readonly isImage: boolean;
}

const KNOWN = 'local, tar, registry, image, docker, cacheonly';

function parseOutput(text: string): ParsedOutput {
  const fields = csvFields('--output', text);
  const [only] = fields;
  // Docker's short form: a directory, or `-` for a tar on standard output.
  if (fields.length === 1 && only !== undefined && !only.includes('=')) {
    if (only === '') throw new UsageError('--output: got "", expected a directory, -, or type=…');
    return artifact(only === '-' ? { type: 'stdout' } : { type: 'directory', path: only });
  }
  const attributes = csvPairs('--output', text);
  const type = take(attributes, 'type');
  const dest = take(attributes, 'dest');
  const parsed = byType(text, type, dest, attributes);
  const [left] = attributes.keys();
  if (left !== undefined) throw new UsageError(`--output ${text}: ${left}= is not supported for type=${type}`);
  return parsed;
}

function byType(
  text: string,
  type: string | undefined,
  dest: string | undefined,
  attributes: Map<string, string>,
): ParsedOutput {
  switch (type) {
    case undefined:
      throw new UsageError(`--output ${text}: type= is required: ${KNOWN}`);
    case 'local':
      if (!dest) throw new UsageError(`--output ${text}: dest=DIRECTORY is required`);
      return artifact({ type: 'directory', path: dest });
    case 'tar':
      return artifact(
        dest === undefined || dest === '-' || dest === '' ? { type: 'stdout' } : { type: 'file', path: dest },
      );
    case 'docker':
      if (dest !== undefined)
        throw new UsageError(`--output ${text}: writing an image to a file is not supported; ${OTHERS}`);
      return { plan: { output: 'load', names: names(attributes) }, isImage: false };
    case 'registry':
      take(attributes, 'push');
      return { plan: { output: 'push', names: names(attributes) }, isImage: true };
    case 'image': {
      const push = /^(?:1|t|true)$/i.test(take(attributes, 'push') ?? 'false');
      return { plan: { output: push ? 'push' : 'none', names: names(attributes) }, isImage: true };
    }
    case 'cacheonly':
      return { plan: { output: 'none', names: [] }, isImage: false };
    case 'oci':
      throw new UsageError(`--output ${text}: OCI archives are not supported; ${OTHERS}`);
    default:
      throw new UsageError(`--output ${text}: got type=${type}, expected ${KNOWN}`);
  }
}

const OTHERS = 'use --push, or export the files with type=local or type=tar';

function artifact(destination: Destination): ParsedOutput {
  return { plan: { output: 'artifact', destination, names: [] }, isImage: false };
}

function names(attributes: Map<string, string>): string[] {
  return (take(attributes, 'name') ?? '').split(',').filter((name) => name !== '');
}

function take(attributes: Map<string, string>, key: string): string | undefined {
  const value = attributes.get(key);
  attributes.delete(key);
  return value;
}
