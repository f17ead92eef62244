import { type AnyOutput, CACHE_MODES, defaultCacheRef, isPushed, splitReference, type Trust } from '@kiln/domain';
import { z } from 'zod';
import { tagReference } from '../http/fields.ts';

const mode = z.enum(['min', 'max']).optional().meta({
  description: 'What is exported: the layers of the result (`min`), or of all steps (`max`, the default).',
});
const s3Name = (max: number, expected: string) =>
  z
    .string()
    .max(max)
    .regex(/^[A-Za-z0-9._/-]+$/, expected);

const registryCache = z.strictObject({
  type: z.literal('registry'),
  ref: tagReference.meta({
    description: 'Reference of the caches in a registry, such as `registry.example.org/app:cache`.',
  }),
  mode,
});

const s3Cache = z.strictObject({
  type: z.literal('s3'),
  bucket: s3Name(63, 'the name of a bucket'),
  region: s3Name(63, 'the name of a region'),
  name: s3Name(128, 'letters, digits and . _ / -')
    .optional()
    .meta({ description: 'Name of the manifest. Default: `buildkit`.' }),
  prefix: s3Name(256, 'letters, digits and . _ / -').optional(),
  endpointUrl: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL' })
    .max(512)
    .regex(/^[^\s,"@]+$/, 'a URL without user, password, commas and quotes')
    .optional(),
  usePathStyle: z.boolean().optional(),
  mode,
});

export const cacheLocation = z.discriminatedUnion('type', [registryCache, s3Cache]).meta({
  id: 'CacheLocation',
  description:
    'Where BuildKit imports caches from, or exports them to. Credentials of S3 are the build’s secrets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.',
});
export type CacheLocation = z.output<typeof cacheLocation>;

const MAX_LOCATIONS = 8;

const archiveKey = z
  .string()
  .regex(/^[^\s\p{Cc}]{1,255}$/u, '1 to 255 characters without white space or control characters');

export const buildCache = z
  .strictObject({
    mode: z.enum(CACHE_MODES).default('warm').meta({
      description:
        '`warm`: the host’s long-lived builder, with `from` and `to` beside it for hosts that are cold. `registry`: a builder of its own, with caches in a registry. `archive`: a builder of its own, with caches in Kiln’s blob store. `fresh`: no caches at all.',
    }),
    from: z.array(cacheLocation).max(MAX_LOCATIONS).optional().meta({
      description: 'Caches to import. Default with `registry`: those in `to`.',
    }),
    to: z.array(cacheLocation).max(MAX_LOCATIONS).optional().meta({
      description:
        'Where to export caches. Default with `registry`: the tag `kiln-cache` beside the first tag, from which caches are then imported, and to which they are exported if the build is pushed.',
    }),
    key: archiveKey.optional().meta({
      description:
        'With `archive`: which of the repo’s archives to use and replace, such as a branch. Default: the ref of a git source.',
    }),
    fallbackKeys: z.array(archiveKey).max(MAX_LOCATIONS).optional().meta({
      description:
        'With `archive`: which archives to try, in this order, if no archive has the key `key`. If no archive has any of these keys, the newest archive of the repo is used.',
    }),
  })
  .meta({ description: 'Where the build’s caches come from.' });
export type BuildCache = z.output<typeof buildCache>;

interface Cached {
  readonly cache?: BuildCache | undefined;
  readonly output: AnyOutput;
  readonly tags: readonly string[];
}

/** Returns what is wrong with the combination of fields: path, expectation and the value that it concerns. */
export function cacheConflict({
  cache,
  tags,
}: Pick<Cached, 'cache' | 'tags'>): { path: string[]; expected: string; input: unknown } | undefined {
  if (!cache) return undefined;
  const { mode: how, from, to, key } = cache;
  const locations = from ? (['from', from] as const) : to ? (['to', to] as const) : undefined;
  if (locations && (how === 'archive' || how === 'fresh')) {
    return {
      path: ['cache', locations[0]],
      expected: `no locations, because cache.mode is ${how}`,
      input: locations[1],
    };
  }
  const named = key === undefined ? 'fallbackKeys' : 'key';
  if (cache[named] !== undefined && how !== 'archive') {
    return { path: ['cache', named], expected: `nothing, because cache.mode is ${how}`, input: cache[named] };
  }
  if (how === 'registry' && !from?.length && !to?.length && tags.length === 0) {
    const expected =
      'a registry reference, because cache.mode is registry and the build has no tag beside which it could keep its caches';
    return { path: ['cache', 'to'], expected, input: to };
  }
  return undefined;
}

/** Returns the caches of a build whose mode is a default; undefined for `warm`, and for `registry` without a tag beside which it could keep its caches. */
export function cacheOfMode(mode: BuildCache['mode'], tags: readonly string[]): BuildCache | undefined {
  return mode === 'warm' || (mode === 'registry' && tags.length === 0) ? undefined : { mode };
}

/** What a build imports and exports. */
export interface CachePlaces {
  readonly from: readonly CacheLocation[];
  readonly to: readonly CacheLocation[];
}

/**
 * Returns the locations of a build's caches, with the defaults of its mode. An untrusted build writes only references of its own, with tags that no
 * trusted build's location has by default, and only if it may push.
 */
export function cachePlaces({ cache, output, tags }: Cached, trust: Trust, mayPush: boolean): CachePlaces {
  if (!cache || cache.mode === 'archive' || cache.mode === 'fresh') return { from: [], to: [] };
  const [tag] = tags;
  const isDefault = cache.mode === 'registry' && !cache.from?.length && !cache.to?.length && tag !== undefined;
  if (isDefault) {
    const own = { type: 'registry' as const, ref: defaultCacheRef(splitReference(tag).name, trust) };
    return { from: [own], to: isPushed(output) && (trust === 'trusted' || mayPush) ? [own] : [] };
  }
  const to = (cache.to ?? []).flatMap((one) => (trust === 'trusted' ? [one] : mayPush ? ofUntrusted(one) : []));
  const own = cache.mode === 'registry' && !cache.from ? to : [];
  const from = (cache.from ?? []).flatMap((one) => (trust === 'trusted' ? [one] : [...ofUntrusted(one), one]));
  return { from: [...own, ...from], to };
}

/** An untrusted build's location in place of the given one; none for S3, where everyone who has the credentials may write anything. */
function ofUntrusted(location: CacheLocation): CacheLocation[] {
  if (location.type !== 'registry') return [];
  const { name, tag = 'latest' } = splitReference(location.ref);
  return [{ ...location, ref: `${name}:${tag.slice(0, 128 - UNTRUSTED_SUFFIX.length)}${UNTRUSTED_SUFFIX}` }];
}

const UNTRUSTED_SUFFIX = '-untrusted';
