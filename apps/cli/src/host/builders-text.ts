import type { RunningHost } from '@kiln/worker';

/** `takes trusted and untrusted builds, driver docker-container, buildx 0.13.1, engine 26.1.5`: what a host that has come up builds with. */
export function buildersText(builders: RunningHost['builders']): string {
  const [{ driver, buildxVersion, engineVersion }] = builders;
  const classes = builders.map(({ trust }) => trust).join(' and ');
  return `takes ${classes} builds, driver ${driver}, buildx ${buildxVersion}, engine ${engineVersion}`;
}
