import { createHash } from 'node:crypto';
import type { BuilderOptions } from './builder-options.ts';

type Named = Pick<BuilderOptions, 'hostName' | 'instance' | 'trust' | 'domain'>;

/** A builder that only tells what builders are like here. No domain's key is like it. */
export const PROBE = 'probe';
/** Of a domain's digest: enough that nobody finds a second domain that has the same one. */
const DIGEST_CHARS = 20;

/** The key of the domain that the builder is of; undefined where that isn't known yet. */
export function domainOf({ trust = 'trusted', domain }: Named): string | undefined {
  return domain === null ? undefined : (domain ?? trust);
}

/** What tells a domain's builder from others of the host, in names of containers, volumes and directories. */
export function domainSlug(options: Named): string {
  const { trust = 'trusted' } = options;
  const domain = domainOf(options) ?? trust;
  if (domain === trust || domain === PROBE) return domain;
  return `${trust}-${createHash('sha256').update(domain).digest('hex').slice(0, DIGEST_CHARS)}`;
}

/** What all builders of the host are named, but for their slugs. */
export function builderPrefix({ hostName, instance }: Pick<Named, 'hostName' | 'instance'>): string {
  return `kiln-${hostName}-${instance}-`;
}

export function builderName(options: Named): string {
  return `${builderPrefix(options)}${domainSlug(options)}`;
}

/** As buildx names the one node's container. */
export function containerOf(builder: string): string {
  return `buildx_buildkit_${builder}0`;
}

/** … and the volume with its caches. */
export function volumeOf(builder: string): string {
  return `${containerOf(builder)}_state`;
}

export function toolContainerName(options: Named): string {
  const slug = domainSlug(options);
  return `kiln-tool-${options.hostName}-${options.instance}${slug === 'trusted' ? '' : `-${slug}`}`;
}
