import type { HostInfoView } from '@kiln/contracts';
import type { Style } from '../../io/output.ts';

const STYLES: Readonly<Record<HostInfoView['state'], Style>> = {
  ready: 'green',
  cordoned: 'yellow',
  draining: 'yellow',
  drained: 'yellow',
  removing: 'yellow',
  removed: 'dim',
  left: 'dim',
  lost: 'red',
};

export function hostStyle({ state, conditions = [] }: Pick<HostInfoView, 'state' | 'conditions'>): Style {
  return state === 'ready' && conditions.length > 0 ? 'yellow' : STYLES[state];
}
