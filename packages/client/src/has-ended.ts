import type { BuildView } from '@kiln/contracts';

const ENDED: ReadonlySet<BuildView['state']> = new Set(['succeeded', 'failed', 'canceled']);

/** Whether the build is in a terminal state. */
export function hasEnded(build: Pick<BuildView, 'state'>): boolean {
  return ENDED.has(build.state);
}
