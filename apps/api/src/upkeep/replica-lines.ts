import type { ReplicaState } from '@kiln/state';

/** The lines of `/readyz` about Redis' replicas; empty if there are none and none are required. */
export function replicaLines(state: ReplicaState | undefined): string[] {
  if (!state) return [];
  const { required, connected, problems } = state;
  const counts = required > 0 || connected > 0 ? [`redis replicas: ${connected} connected, ${required} required`] : [];
  return [...counts, ...problems.map((problem) => `warning: redis: ${problem}`)];
}
