import { BakeInvalid } from '@kiln/buildkit';
import type { ExecutorSource } from '../engine/executor.ts';
import { TaskFailed, type TaskHandler } from './task-handler.ts';

/** Evaluates bake files. */
export function evaluateBake(evaluate: NonNullable<ExecutorSource['evaluateBake']>): TaskHandler<'evaluate'> {
  return async ({ bake }, { signal }) => {
    try {
      return { printed: await evaluate(bake, signal) };
    } catch (error) {
      throw error instanceof BakeInvalid ? new TaskFailed('bake_invalid', error.message) : error;
    }
  };
}
