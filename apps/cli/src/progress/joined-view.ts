import { type EndRecord, type IdentifiedLogRecord, runText } from '@kiln/contracts';
import type { ProgressView } from './view.ts';

/**
 * Shows several builds as one: their steps are numbered in the order in which they appear, and named after their builds, as `docker buildx bake` does.
 */
export class JoinedView {
  readonly #view: ProgressView;
  #steps = 0;
  #last: IdentifiedLogRecord | undefined;

  constructor(view: ProgressView) {
    this.#view = view;
  }

  /** Returns the view of one of the builds. Closing it closes nothing else. @param namesSteps whether its steps are named after it */
  of(name: string, { namesSteps = true }: { readonly namesSteps?: boolean } = {}): ProgressView {
    const view = this.#view;
    let numbers = new Map<number, number>();
    const say = (message: string) => view.say(`${name}: ${message}`);
    const numberOf = (step: number) => {
      const known = numbers.get(step);
      if (known !== undefined) return known;
      this.#steps += 1;
      numbers.set(step, this.#steps);
      return this.#steps;
    };
    return {
      say,
      reading: (readBytes, totalBytes) => view.reading(readBytes, totalBytes),
      uploading: (sentBytes, totalBytes) => view.uploading(sentBytes, totalBytes),
      uploaded: (summary) => view.uploaded(`${name}: ${summary}`),
      waiting: (reason, queue) => view.waiting(`${name}: ${reason}`, queue),
      ...(view.placed && { placed: (text: string) => view.placed?.(`${name} ${text}`) }),
      canceling: () => view.canceling(),
      close: () => {},
      record: (record) => {
        this.#last = record;
        switch (record.type) {
          case 'note':
            say(record.message);
            return;
          case 'end':
            say(endText(record));
            // The next attempt numbers its steps from 1 again.
            numbers = new Map();
            return;
          case 'step':
            view.record({
              ...record,
              step: numberOf(record.step),
              name: namesSteps ? named(record.name, name) : record.name,
            });
            return;
          case 'warning':
            view.record({
              ...record,
              ...(record.step !== undefined && { step: numberOf(record.step) }),
              message: `${name}: ${record.message}`,
            });
            return;
          default:
            view.record({ ...record, step: numberOf(record.step) });
        }
      },
    };
  }

  /** Shows a message about all of them. */
  say(message: string): void {
    this.#view.say(message);
  }

  /** Ends the display of all of them. */
  end(state: 'succeeded' | 'failed'): void {
    const { t = 0, id = '' } = this.#last ?? {};
    if (this.#last) this.#view.record({ t, id, type: 'end', state });
    this.#view.close();
  }
}

function endText(record: EndRecord): string {
  if (record.state !== 'queued') return `${record.state}${runText(record)}`;
  return `attempt lost (${record.failure?.message ?? 'host lost'}); the build returns to the queue`;
}

/** Puts the build's name into a step's: `[build 2/3] RUN x` becomes `[web build 2/3] RUN x`. */
function named(step: string, name: string): string {
  return step.startsWith('[') ? `[${name} ${step.slice(1)}` : `[${name}] ${step}`;
}
