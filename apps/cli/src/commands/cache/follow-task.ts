import type { KilnClient } from '@kiln/client';
import { bytes, type TaskView } from '@kiln/contracts';
import { printJson } from '../../framework/print.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import type { Io } from '../../io/output.ts';

/** How long a host of a version without the task is waited for, ms. */
const OUTDATED_MS = 60_000;

/** Waits for a task and shows its progress on standard error. @param done describes what it did @returns the exit code */
export function followTask(
  client: KilnClient,
  begun: TaskView,
  { io, json, done }: { readonly io: Io; readonly json: boolean | undefined; done(result: TaskView): string },
): Promise<number> {
  return untilInterrupted(
    io,
    async (signal) => {
      let shown = '';
      for await (const task of client.watchTask(begun.id, { signal })) {
        if (task.state === 'succeeded') {
          if (json) printJson(io, task);
          else io.out.line(done(task));
          return EXIT.ok;
        }
        if (task.state === 'failed') {
          if (json) printJson(io, task);
          io.err.line(`kiln: ${task.host}: ${task.failure?.message ?? 'failed'}`);
          return EXIT.notDone;
        }
        const text = stateText(task);
        if (text !== shown) io.err.line(`kiln: ${text}`);
        shown = text;
        if (task.hostState === 'outdated' && io.now() - Date.parse(task.createdAt) > OUTDATED_MS) {
          io.err.line(`kiln: ${task.host}: its worker is of a version without this; update it`);
          return EXIT.notDone;
        }
      }
      return EXIT.notDone;
    },
    'stopped waiting; the task continues',
  );
}

function stateText({ host, state, progress, hostState }: TaskView): string {
  if (state === 'waiting') return `${host}: waiting${hostState === 'away' ? ' until its worker is back' : ''}`;
  if (!progress) return `${host}: running`;
  const total = progress.totalBytes === undefined ? '' : ` of ${bytes(progress.totalBytes)}`;
  return `${host}: ${bytes(progress.bytes)}${total}${progress.note === undefined ? '' : `; ${progress.note}`}`;
}
