import type { RunningHost } from '@kiln/worker';

/** Describes the builders of a started host: `trusted and untrusted builds, driver docker-container, buildx 0.13.1, engine 26.1.5`. */
export function buildersText(builders: RunningHost['builders']): string {
  const { trust, isolation, oneDomain, driver, buildxVersion, engineVersion } = builders;
  const apart = isolation === 'pool' ? '' : oneDomain ? ` of one ${isolation}` : `, isolated by ${isolation}`;
  return `${trust.join(' and ')} builds${apart}, driver ${driver}, buildx ${buildxVersion}, engine ${engineVersion}`;
}
