import type { RunningHost } from '@kiln/worker';

/** `takes trusted and untrusted builds, driver docker-container, buildx 0.13.1, engine 26.1.5`: what a host that has come up builds with. */
export function buildersText(builders: RunningHost['builders']): string {
  const { trust, isolation, oneDomain, driver, buildxVersion, engineVersion } = builders;
  const apart = isolation === 'pool' ? '' : oneDomain ? ` of one ${isolation}` : `, each ${isolation}’s apart`;
  return `takes ${trust.join(' and ')} builds${apart}, driver ${driver}, buildx ${buildxVersion}, engine ${engineVersion}`;
}
