/** Parts of `kiln build`, in the order in which they end. */
export type Stage =
  | ('start' | 'walk' | 'digests' | 'encoding')
  | ('submit' | 'asking' | 'sending')
  | ('following' | 'end' | 'result');

/** Marks the end of a part in the process's own performance timeline (User Timing), which `npm run bench:contexts` reads. It costs some µs. */
export function endOfStage(stage: Stage): void {
  performance.mark(`kiln:${stage}`);
}
