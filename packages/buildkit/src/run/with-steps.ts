import type { RunObserver } from './run-request.ts';

/** Decorates an observer so that `use` gets the names of the steps as well. */
export function withSteps(observer: RunObserver | undefined, use: (names: readonly string[]) => void): RunObserver {
  return {
    dockerfile: (text) => observer?.dockerfile(text),
    ...(observer?.ignoreFile && { ignoreFile: (text: string) => observer.ignoreFile?.(text) }),
    steps(steps, leftOut) {
      use(steps.map(({ name }) => name));
      observer?.steps(steps, leftOut);
    },
  };
}
