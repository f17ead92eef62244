import { type ArtifactOutput, isExportOption } from '@kiln/contracts';
import { UsageError } from '../../../io/errors.ts';
import { csvFields, csvPairs } from './csv.ts';

/** Where to write an output of type `artifact`. */
export type Destination =
  | { readonly type: 'directory'; readonly path: string }
  | { readonly type: 'file'; readonly path: string }
  | { readonly type: 'stdout' }
  /** Docker's engine of this machine. */
  | { readonly type: 'engine'; readonly context?: string };

/** One `--output`. */
export interface ParsedOutput {
  /** `image`: an image that is pushed only with `--push`. */
  readonly type: 'none' | 'image' | 'push' | 'load' | 'artifact';
  readonly format?: ArtifactOutput['format'];
  readonly names: readonly string[];
  readonly options: Readonly<Record<string, string>>;
  readonly destination?: Destination;
}

const KNOWN = 'local, tar, oci, docker, registry, image, cacheonly';
/** Options about what a host keeps in its own image store, where Kiln's images aren't. */
const WITHOUT_EFFECT = ['unpack', 'store', 'dangling-name-prefix', 'buildinfo', 'buildinfo-attrs'];

/** Parses an `--output` in buildx's notation. @throws UsageError */
export function parseOutput(text: string): ParsedOutput {
  const fields = csvFields('--output', text);
  const [only] = fields;
  // Docker's short form: a directory, or `-` for a tar on standard output.
  if (fields.length === 1 && only === text && !text.startsWith('type=')) {
    if (only === '') throw new UsageError('--output: got "", expected a directory, -, or type=…');
    return files(only === '-' ? { type: 'stdout' } : { type: 'directory', path: only });
  }
  const attributes = csvPairs('--output', text);
  const type = take(attributes, 'type');
  const dest = take(attributes, 'dest');
  const parsed = byType(text, type, dest, attributes);
  for (const key of WITHOUT_EFFECT) attributes.delete(key);
  for (const key of attributes.keys()) {
    if (parsed.type === 'none' || !isExportOption(key))
      throw new UsageError(`--output ${text}: ${key}= is not supported for type=${type}`);
  }
  return { ...parsed, options: Object.fromEntries(attributes) };
}

function byType(
  text: string,
  type: string | undefined,
  dest: string | undefined,
  attributes: Map<string, string>,
): ParsedOutput {
  const refuse = (why: string) => new UsageError(`--output ${text}: ${why}`);
  switch (type) {
    case undefined:
      throw refuse(`type= is required: ${KNOWN}`);
    case 'local':
      return files(directory(dest, 'local', refuse));
    case 'tar':
      return files(fileOrStdout(dest));
    case 'oci':
      if (isFalse(take(attributes, 'tar'))) return image('oci', directory(dest, 'oci', refuse), attributes);
      return image('oci', fileOrStdout(dest), attributes);
    case 'docker': {
      if (isFalse(take(attributes, 'tar'))) throw refuse('tar=false is not supported for type=docker');
      const context = take(attributes, 'context');
      if (dest === undefined || dest === '')
        return image('docker', { type: 'engine', ...(context && { context }) }, attributes);
      return image('docker', fileOrStdout(dest), attributes);
    }
    case 'registry':
    case 'image': {
      if (dest !== undefined) throw refuse(`dest= is not supported for type=${type}`);
      const push = take(attributes, 'push');
      const isPushed = type === 'registry' || /^(?:1|t|true)$/i.test(push ?? 'false');
      return { type: isPushed ? 'push' : 'image', names: names(attributes), options: {} };
    }
    case 'cacheonly':
      return { type: 'none', names: [], options: {} };
    default:
      throw refuse(`got type=${type}, expected ${KNOWN}`);
  }
}

function files(destination: Destination): ParsedOutput {
  return { type: 'artifact', format: 'tar', names: [], options: {}, destination };
}

function image(format: 'oci' | 'docker', destination: Destination, attributes: Map<string, string>): ParsedOutput {
  return { type: 'artifact', format, names: names(attributes), options: {}, destination };
}

function directory(dest: string | undefined, type: string, refuse: (why: string) => UsageError): Destination {
  if (!dest) throw refuse(`dest is required for ${type} exporter: dest=DIRECTORY`);
  if (dest === '-') throw refuse(`dest cannot be stdout for ${type} exporter; expected dest=DIRECTORY`);
  return { type: 'directory', path: dest };
}

function fileOrStdout(dest: string | undefined): Destination {
  return dest === undefined || dest === '-' || dest === '' ? { type: 'stdout' } : { type: 'file', path: dest };
}

function isFalse(value: string | undefined): boolean {
  return value !== undefined && /^(?:0|f|false)$/i.test(value);
}

function names(attributes: Map<string, string>): string[] {
  return (take(attributes, 'name') ?? '').split(',').filter((name) => name !== '');
}

function take(attributes: Map<string, string>, key: string): string | undefined {
  const value = attributes.get(key);
  attributes.delete(key);
  return value;
}
