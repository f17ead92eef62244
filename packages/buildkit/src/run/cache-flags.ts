import type { CacheLocation, CachePlaces } from '@kiln/contracts';
import { splitReference } from '@kiln/domain';

/**
 * How caches are written to a registry: as an index of layers (BuildKit's default before 0.21), as an image manifest for registries that refuse
 * such an index, or within an image for those that refuse both.
 */
export const CACHE_FORMS = ['index', 'image', 'inline'] as const;
export type CacheForm = (typeof CACHE_FORMS)[number];

/** Directories of the local caches that a run imports and exports. */
export interface LocalCaches {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Returns buildx's flags for the locations. An export that fails never fails the build. */
export function cacheFlags({ from, to }: CachePlaces, formOf: (registry: string) => CacheForm): string[] {
  return [
    ...from.map((one) => `--cache-from=${attributesOf(one)}`),
    ...new Set(
      to.map((one) => {
        const form = one.type === 'registry' ? formOf(registryOf(one.ref)) : 'index';
        if (form === 'inline') return '--cache-to=type=inline';
        const manifest = form === 'image' ? ',image-manifest=true,oci-mediatypes=true' : '';
        return `--cache-to=${attributesOf(one)},mode=${one.mode ?? 'max'}${manifest},ignore-error=true`;
      }),
    ),
  ];
}

/** Returns buildx's flags for caches in directories. */
export function localCacheFlags({ from, to }: LocalCaches): string[] {
  return [
    ...(from === undefined ? [] : [`--cache-from=type=local,src=${from}`]),
    ...(to === undefined ? [] : [`--cache-to=type=local,dest=${to},mode=max,ignore-error=true`]),
  ];
}

/** The schema of a location allows no commas and quotes, which would separate attributes. */
function attributesOf(location: CacheLocation): string {
  if (location.type === 'registry') return `type=registry,ref=${location.ref}`;
  const { bucket, region, name, prefix, endpointUrl, usePathStyle } = location;
  const optional = { name, prefix, endpoint_url: endpointUrl, use_path_style: usePathStyle };
  const more = Object.entries(optional).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
  return ['type=s3', `bucket=${bucket}`, `region=${region}`, ...more].join(',');
}

/** Returns the registry of a reference as it is written. */
export function registryOf(ref: string): string {
  return splitReference(ref).name.split('/')[0] ?? '';
}

const S3_SECRETS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'] as const;

/** Returns the variables from which buildx takes the credentials of S3, if a location needs them. */
export function s3Env({ from, to }: CachePlaces, secrets: ReadonlyMap<string, string>): string[] {
  if (![...from, ...to].some(({ type }) => type === 's3')) return [];
  return S3_SECRETS.flatMap((id) => (secrets.has(id) ? [`${id}=${secrets.get(id)}`] : []));
}

/** An export of caches that failed, while the build itself succeeded. */
export interface FailedExport {
  readonly error: string;
  /** Whether the registry doesn't take manifests of this form; otherwise another form wouldn't help. */
  readonly isRefusal: boolean;
}

const EXPORT_STEP = /^exporting (?:cache|to image and cache)/i;
/** What registries answer to a manifest of a kind that they don't know. Others, such as 403 and 500, have other causes. */
const REFUSED =
  /: (?:400|404|405|406|415|422|501) [A-Z]|manifest invalid|MANIFEST_INVALID|UNSUPPORTED|unsupported media type/;
const WHILE_WRITING = /error writing manifest|\/manifests\//;

/** Returns the first export of caches that failed in a build, if any. */
export function failedExport(
  failed: readonly { readonly name: string; readonly error: string }[],
): FailedExport | undefined {
  const step = failed.find(({ name }) => EXPORT_STEP.test(name));
  if (!step) return undefined;
  const { error } = step;
  return { error, isRefusal: REFUSED.test(error) && WHILE_WRITING.test(error) };
}
