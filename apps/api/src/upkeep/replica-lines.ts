import type { ReplicaState } from '@kiln/state';

/** What `/readyz` says of the replicas of Redis; nothing where none are there and none are asked for. */
export function replicaLines(state: ReplicaState | undefined): string[] {
  if (!state) return [];
  const { required, connected, problems } = state;
  const counts = required > 0 || connected > 0 ? [`redis replicas: ${connected} connected, ${required} required`] : [];
  return [...counts, ...problems.map((problem) => `warning: redis: ${problem}`)];
}
