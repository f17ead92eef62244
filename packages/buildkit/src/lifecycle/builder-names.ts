import { createHash } from 'node:crypto';
import type { BuilderOptions } from './builder-options.ts';

type Named = Pick<BuilderOptions, 'hostName' | 'instance' | 'trust' | 'domain'>;

/** Stands for a domain in a builder that is only started to find out what builders can do here. No domain has this key. */
export const PROBE = 'probe';
/** Length of a domain's digest in names: enough that nobody can find two domains with the same one. */
const DIGEST_CHARS = 20;

/** Returns the key of the builder's domain; undefined if it isn't known yet. */
export function domainOf({ trust = 'trusted', domain }: Named): string | undefined {
  return domain === null ? undefined : (domain ?? trust);
}

/** Returns the part of container, volume and directory names that identifies a domain's builder on its host. */
export function domainSlug(options: Named): string {
  const { trust = 'trusted' } = options;
  const domain = domainOf(options) ?? trust;
  if (domain === trust || domain === PROBE) return domain;
  return `${trust}-${createHash('sha256').update(domain).digest('hex').slice(0, DIGEST_CHARS)}`;
}

/** Returns the common prefix of the names of the host's builders. */
export function builderPrefix({ hostName, instance }: Pick<Named, 'hostName' | 'instance'>): string {
  return `kiln-${hostName}-${instance}-`;
}

export function builderName(options: Named): string {
  return `${builderPrefix(options)}${domainSlug(options)}`;
}

/** Returns the name of the container that buildx creates for a builder's only node. */
export function containerOf(builder: string): string {
  return `buildx_buildkit_${builder}0`;
}

/** Returns the name of the volume with a builder's caches, which buildx chooses as well. */
export function volumeOf(builder: string): string {
  return `${containerOf(builder)}_state`;
}

export function toolContainerName(options: Named): string {
  const slug = domainSlug(options);
  return `kiln-tool-${options.hostName}-${options.instance}${slug === 'trusted' ? '' : `-${slug}`}`;
}
