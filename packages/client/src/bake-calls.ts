import type { EvaluateRequest, TaskView } from '@kiln/contracts';
import { jsonBody } from './api-calls.ts';
import type { CallOptions } from './options.ts';
import { TaskCalls } from './task-calls.ts';

/** The methods of `KilnClient` about bake files. */
export class BakeCalls extends TaskCalls {
  /** Has a host evaluate bake files. */
  evaluateBake(request: EvaluateRequest, { signal }: CallOptions = {}): Promise<TaskView> {
    return this.json('/v1/bake/evaluate', 'taskView', { method: 'POST', ...jsonBody(request), signal });
  }
}
