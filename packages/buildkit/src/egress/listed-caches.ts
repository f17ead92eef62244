import { isIP } from 'node:net';
import type { BuildSpec, CacheLocation, CachePlaces } from '@kiln/contracts';
import { type Failure, parseReference } from '@kiln/domain';
import { isListed } from './source-policy.ts';

/**
 * Returns why a build's caches are refused where BuildKit may only fetch from `hosts`; undefined if all of their servers are listed. BuildKit's
 * source policy doesn't cover them.
 */
export function unlistedCaches(
  hosts: readonly string[],
  { cache }: Pick<BuildSpec, 'cache'>,
  places: CachePlaces,
): Failure | undefined {
  const isNamed = Boolean(cache?.from?.length || cache?.to?.length);
  const given = isNamed ? { from: cache?.from ?? [], to: cache?.to ?? [] } : places;
  for (const field of ['from', 'to'] as const) {
    for (const [index, location] of given[field].entries()) {
      const server = serversOf(location).find((one) => !isListed(hosts, one));
      if (server !== undefined) return refusal(isNamed ? `cache.${field}[${index}]` : 'tags[0]', server);
    }
  }
  return undefined;
}

function refusal(field: string, server: string): Failure {
  const why = field === 'tags[0]' ? ', beside which cache.mode registry keeps its caches' : '';
  return {
    code: 'egress_refused',
    message: `${field}${why}: got the server ${JSON.stringify(server)}, expected one that is listed in the host’s KILN_BUILD_EGRESS`,
  };
}

/** Returns the names of all servers that a location may be at, with the port if it isn't the default one. */
function serversOf(location: CacheLocation): string[] {
  // A reference that BuildKit would not understand is at no server that could be listed.
  if (location.type === 'registry') return [parseReference(location.ref)?.domain ?? location.ref];
  const { bucket, region, endpointUrl, usePathStyle = false } = location;
  const amazon = `s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
  const { host, hostname } = endpointUrl === undefined ? { host: amazon, hostname: amazon } : new URL(endpointUrl);
  // Buckets are names below the server's, unless they can't be.
  return usePathStyle || isIP(hostname) ? [host] : [host, `${bucket}.${host}`];
}
