import type { SolveStatus } from '../control/solve-status.ts';

/** Returns a function that takes a step with this name out of statuses. */
export function withoutStep(name: string): (status: SolveStatus) => SolveStatus {
  const left = new Set<string>();
  return ({ vertexes = [], statuses = [], logs = [], warnings = [] }) => {
    for (const vertex of vertexes) if (vertex.name === name) left.add(vertex.digest);
    return {
      vertexes: vertexes.filter(({ digest }) => !left.has(digest)),
      statuses: statuses.filter(({ vertex }) => !left.has(vertex)),
      logs: logs.filter(({ vertex }) => !left.has(vertex)),
      warnings,
    };
  };
}
