import type { BuildView, HostInfoView } from '@kiln/contracts';
import type { Style } from '../io/output.ts';

const BUILD_STYLES: Readonly<Partial<Record<BuildView['state'], Style>>> = {
  assigned: 'cyan',
  running: 'cyan',
  succeeded: 'green',
  failed: 'red',
  canceled: 'yellow',
};

const HOST_STYLES: Readonly<Record<HostInfoView['state'], Style>> = {
  ready: 'green',
  cordoned: 'yellow',
  draining: 'yellow',
  drained: 'yellow',
  removing: 'yellow',
  removed: 'dim',
  left: 'dim',
  lost: 'red',
};

export function buildStyle(state: BuildView['state']): Style | undefined {
  return BUILD_STYLES[state];
}

export function hostStyle(state: HostInfoView['state']): Style {
  return HOST_STYLES[state];
}
