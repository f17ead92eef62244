import type { BuildRequestInput } from '@kiln/contracts';
import { CACHE_MODES, parseReference } from '@kiln/domain';
import { badFlag, oneOf } from '../../../framework/flag-values.ts';
import { UsageError } from '../../../io/errors.ts';
import { csvPairs } from './csv.ts';

type Cache = NonNullable<BuildRequestInput['cache']>;
type Location = NonNullable<Cache['to']>[number];
type Flag = '--cache-from' | '--cache-to';

export interface CacheFlags {
  readonly cache: string | undefined;
  readonly 'cache-key': string | undefined;
  readonly 'cache-from': readonly string[];
  readonly 'cache-to': readonly string[];
}

const EXPECTED = 'type=registry,ref=NAME:TAG or type=s3,bucket=NAME,region=REGION';
const EXAMPLE = 'registry.example.org/app:cache';

/** Attributes that Kiln sets by itself, or that only matter for one machine. */
const OWN_CHOICE: ReadonlySet<string> = new Set(['oci-mediatypes', 'image-manifest', 'ignore-error']);
const S3_SECRETS: Readonly<Record<string, string>> = {
  access_key_id: 'AWS_ACCESS_KEY_ID',
  secret_access_key: 'AWS_SECRET_ACCESS_KEY',
  session_token: 'AWS_SESSION_TOKEN',
};

/** Reads `--cache`, `--cache-key`, and `--cache-from` and `--cache-to` in the notation of `docker buildx build`. @throws UsageError */
export function cacheOf(flags: CacheFlags): Cache | undefined {
  const mode = flags.cache === undefined ? undefined : oneOf('--cache', flags.cache, CACHE_MODES);
  const key = flags['cache-key'];
  if (key !== undefined && mode !== 'archive') throw new UsageError('--cache-key requires --cache archive');
  const from = locations('--cache-from', flags['cache-from']);
  const to = locations('--cache-to', flags['cache-to']);
  if ((mode === 'archive' || mode === 'fresh') && from.length + to.length > 0) {
    throw new UsageError(`${from.length > 0 ? '--cache-from' : '--cache-to'} cannot be combined with --cache ${mode}`);
  }
  if (mode === undefined && from.length + to.length === 0) return undefined;
  return {
    ...(mode !== undefined && { mode }),
    ...(key !== undefined && { key }),
    ...(from.length > 0 && { from }),
    ...(to.length > 0 && { to }),
  };
}

/** Returns a warning for each location that isn't used, because hosts keep caches themselves. */
export function cacheWarnings(flags: Pick<CacheFlags, 'cache-from' | 'cache-to'>): string[] {
  return (['cache-from', 'cache-to'] as const).flatMap((name) =>
    flags[name].some(isGha)
      ? [`--${name} type=gha is ignored: Kiln’s hosts keep the caches, so there is no need for those of GitHub Actions`]
      : [],
  );
}

function isGha(text: string): boolean {
  return /(?:^|,)\s*type=gha(?:,|$)/i.test(text);
}

function locations(flag: Flag, texts: readonly string[]): Location[] {
  return texts.filter((text) => !isGha(text)).map((text) => location(flag, text));
}

function location(flag: Flag, text: string): Location {
  // buildx takes text without any attribute as a reference.
  const attributes = text.includes('=') ? csvPairs(flag, text) : new Map([['ref', text]]);
  const type = attributes.get('type') ?? 'registry';
  attributes.delete('type');
  const read =
    type === 'registry' ? registry(flag, text, attributes) : type === 's3' ? s3(flag, text, attributes) : undefined;
  if (!read) throw badFlag(flag, text, `${EXPECTED}${WHY_NOT[type] ?? ''}`);
  const [left] = attributes;
  if (!left) return read;
  const [name, value] = left;
  const known = flag === '--cache-to' ? [...KNOWN[read.type], 'mode'] : KNOWN[read.type];
  throw new UsageError(
    `${flag} ${text}: ${name}: got ${JSON.stringify(value)}, expected no such attribute; type=${type} has ${known.join(', ')}`,
  );
}

const KNOWN: Readonly<Record<Location['type'], readonly string[]>> = {
  registry: ['ref'],
  s3: ['bucket', 'region', 'name', 'prefix', 'endpoint_url', 'use_path_style'],
};

const WHY_NOT: Readonly<Record<string, string>> = {
  local: '; to keep caches in Kiln’s own store, use --cache archive',
  inline: '; Kiln exports inline caches by itself to a registry that takes no others',
};

function registry(flag: Flag, text: string, attributes: Map<string, string>): Location {
  const ref = take(attributes, 'ref');
  for (const name of OWN_CHOICE) attributes.delete(name);
  if (ref === undefined || ref.includes('@') || !parseReference(ref)) {
    throw new UsageError(
      `${flag} ${text}: ref: got ${JSON.stringify(ref ?? '')}, expected an image reference such as ${EXAMPLE}`,
    );
  }
  return { type: 'registry', ref, ...modeOf(flag, text, attributes) };
}

function s3(flag: Flag, text: string, attributes: Map<string, string>): Location {
  const need = (name: string) => {
    const value = take(attributes, name);
    if (value) return value;
    throw new UsageError(
      `${flag} ${text}: ${name}: got ${JSON.stringify(value ?? '')}, expected the name of a ${name}`,
    );
  };
  for (const [name, id] of Object.entries(S3_SECRETS)) {
    if (attributes.has(name))
      throw new UsageError(`${flag}: ${name}= is not supported, because it would be shown; use --secret id=${id}`);
  }
  const name = take(attributes, 'name');
  const prefix = take(attributes, 'prefix');
  const endpointUrl = take(attributes, 'endpoint_url');
  const pathStyle = take(attributes, 'use_path_style');
  attributes.delete('ignore-error');
  return {
    type: 's3',
    bucket: need('bucket'),
    region: need('region'),
    ...(name !== undefined && { name }),
    ...(prefix !== undefined && { prefix }),
    ...(endpointUrl !== undefined && { endpointUrl }),
    ...(pathStyle !== undefined && { usePathStyle: trueOrFalse(flag, text, pathStyle) }),
    ...modeOf(flag, text, attributes),
  };
}

function modeOf(flag: Flag, text: string, attributes: Map<string, string>): { mode?: 'min' | 'max' } {
  const mode = take(attributes, 'mode');
  if (mode === undefined) return {};
  if (mode !== 'min' && mode !== 'max')
    throw new UsageError(`${flag} ${text}: mode: got ${JSON.stringify(mode)}, expected min or max`);
  // Only an export has a mode; buildx ignores it for an import, too.
  return flag === '--cache-to' ? { mode } : {};
}

/** The spellings that buildx takes. @throws UsageError */
function trueOrFalse(flag: Flag, text: string, value: string): boolean {
  if (/^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw new UsageError(`${flag} ${text}: use_path_style: got ${JSON.stringify(value)}, expected true or false`);
}

function take(attributes: Map<string, string>, key: string): string | undefined {
  const value = attributes.get(key);
  attributes.delete(key);
  return value;
}
