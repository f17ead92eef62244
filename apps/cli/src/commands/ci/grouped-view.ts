import { type IdentifiedLogRecord, runText } from '@kiln/contracts';
import { duration } from '../../io/ages.ts';
import type { Channel } from '../../io/output.ts';
import { tameLine } from '../../io/tame-line.ts';
import { CANCELING, type ProgressView, waitingText } from '../../progress/view.ts';
import type { JobLog } from './job-log.ts';

interface Group {
  readonly step: number;
  readonly id: number;
  name: string;
  /** Output that isn't printed yet. */
  pending: string;
  /** How it ended. Absent while it runs. */
  end?: string;
}

/**
 * Shows a build in the log of a CI job: the output of each step in a group of its own. Groups can't be nested or interleaved, so one step's output is
 * printed as it comes, and that of steps that run beside it when they have ended.
 */
export class GroupedView implements ProgressView {
  readonly #out: Channel;
  readonly #log: JobLog;
  #groups = new Map<number, Group>();
  /** The group that is open. */
  #open: Group | undefined;
  /** Groups have numbers of their own, because each attempt numbers its steps from 1. */
  #opened = 0;
  #waiting = '';

  constructor(out: Channel, log: JobLog) {
    this.#out = out;
    this.#log = log;
  }

  say(message: string): void {
    this.#write(`kiln: ${message}\n`);
  }

  reading(): void {}
  uploading(): void {}

  uploaded(summary: string): void {
    this.say(summary);
  }

  waiting(reason: string, queue = ''): void {
    if (reason === this.#waiting) return;
    this.#waiting = reason;
    this.say(waitingText(reason, queue));
  }

  placed(text: string): void {
    this.say(`runs ${text}`);
  }

  canceling(): void {
    this.say(CANCELING);
  }

  record(record: IdentifiedLogRecord): void {
    switch (record.type) {
      case 'step':
        this.#step(record);
        return;
      case 'output':
        this.#output(record.step, record.data);
        return;
      case 'warning':
        this.#write(`WARN: ${record.message}\n`);
        return;
      case 'note':
        this.say(record.message);
        return;
      case 'end':
        this.#flush();
        if (record.state === 'queued') {
          this.#groups = new Map();
          this.say(`attempt lost (${record.failure?.message ?? 'host lost'}); the build returns to the queue`);
        } else this.say(`${record.state}${runText(record)}`);
    }
  }

  close(): void {
    this.#flush();
  }

  #step({ step, name, state, ms }: Extract<IdentifiedLogRecord, { type: 'step' }>): void {
    const known = this.#groups.get(step);
    if (!known) this.#opened += 1;
    const group: Group = known ?? { step, id: this.#opened, name, pending: '' };
    group.name = name;
    this.#groups.set(step, group);
    if (state === 'pending' || state === 'started') return;
    if (state === 'cached') {
      this.#groups.delete(step);
      this.#write(`CACHED ${name}\n`);
      return;
    }
    group.end = `${state === 'completed' ? 'DONE' : state.toUpperCase()} ${duration(ms ?? 0)}`;
    if (this.#open === group) this.#closeGroup();
    this.#printEnded();
  }

  #output(step: number, data: string): void {
    const group = this.#groups.get(step);
    if (!group) return;
    group.pending += data;
    if (!this.#open) this.#openGroup(group);
    if (this.#open !== group) return;
    this.#writeLines(group);
  }

  /** Prints groups that have ended while another one was open, then goes on with one that still runs. */
  #printEnded(): void {
    if (this.#open) return;
    for (const group of this.#groups.values()) {
      if (group.end === undefined) continue;
      if (group.pending !== '') {
        this.#openGroup(group);
        this.#closeGroup();
      } else {
        this.#groups.delete(group.step);
        this.#write(`${group.name} ${group.end}\n`);
      }
    }
    const next = [...this.#groups.values()].find(({ pending }) => pending !== '');
    if (next) this.#openGroup(next);
  }

  #openGroup(group: Group): void {
    this.#open = group;
    this.#out.write(this.#log.open(group.id, tameLine(group.name, false)));
    this.#writeLines(group);
  }

  /** Writes whole lines only: the runner reads its commands at the beginning of a line. */
  #writeLines(group: Group): void {
    const end = group.pending.lastIndexOf('\n') + 1;
    this.#write(group.pending.slice(0, end));
    group.pending = group.pending.slice(end);
  }

  #closeGroup(): void {
    const group = this.#open;
    if (!group) return;
    if (group.pending !== '') this.#write(`${group.pending}\n`);
    group.pending = '';
    if (group.end !== undefined) this.#out.write(`${group.end}\n`);
    this.#out.write(this.#log.close(group.id));
    this.#groups.delete(group.step);
    this.#open = undefined;
  }

  #flush(): void {
    this.#closeGroup();
    for (const group of this.#groups.values()) {
      if (group.pending === '') continue;
      this.#openGroup(group);
      this.#closeGroup();
    }
  }

  /** Writes what comes from the build: output, names, messages. It must not be able to give orders to the runner. */
  #write(text: string): void {
    const lines = text.split('\n').map((line) => tameLine(line, this.#out.hasColour));
    this.#out.write(lines.map((line) => line.replace(/^(\s*)(::|##\[)/, '$1\u200b$2')).join('\n'));
  }
}
