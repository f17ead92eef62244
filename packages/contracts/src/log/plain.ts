import type { IdentifiedLogRecord, LogRecord } from './record.ts';
import { safeLines, safeName, safeText } from './safe-text.ts';

type Of<T extends LogRecord['type']> = Extract<LogRecord, { type: T }>;

interface Partial {
  readonly at: number;
  readonly text: string;
}

/**
 * Renders records as `docker buildx build --progress=plain` prints them: `#5 [2/4] RUN npm ci`, `#5 1.234 output`, `#5 DONE 3.2s`.
 * When the output changes to another step, that step's name is printed again, and `#5 ...` marks the previous one as unfinished. A build's
 * output keeps its colours and loses all other control sequences, even if they are split across records: a log must not be able to control the
 * reader's terminal. Use one renderer for one reader of one log.
 */
export class PlainRenderer {
  readonly #names = new Map<number, string>();
  readonly #startedAt = new Map<number, number>();
  readonly #partial = new Map<string, Partial>();
  readonly #transfersDone = new Set<string>();
  readonly #finished = new Set<number>();
  #current: number | undefined;

  /** Returns a copy that continues from here independently: readers of one log share what is rendered (LogChunk in apps/api). */
  clone(): PlainRenderer {
    const copy = new PlainRenderer();
    for (const [step, name] of this.#names) copy.#names.set(step, name);
    for (const [step, at] of this.#startedAt) copy.#startedAt.set(step, at);
    for (const [key, partial] of this.#partial) copy.#partial.set(key, partial);
    for (const key of this.#transfersDone) copy.#transfersDone.add(key);
    for (const step of this.#finished) copy.#finished.add(step);
    copy.#current = this.#current;
    return copy;
  }

  /** Returns the text of one record, with line ends; empty if it has no plain text. */
  render(record: LogRecord | IdentifiedLogRecord): string {
    switch (record.type) {
      case 'step':
        return this.#step(record);
      case 'output':
        return this.#output(record);
      case 'status':
        return this.#status(record);
      case 'warning':
        return this.#warning(record);
      case 'note':
        return `${this.#leave()}kiln: ${safeText(record.message)}\n`;
      case 'end':
        return this.#end(record);
    }
  }

  #step(record: Of<'step'>): string {
    const { step } = record;
    this.#names.set(step, safeName(record.name));
    switch (record.state) {
      case 'pending':
        return '';
      case 'started':
        this.#startedAt.set(step, record.t);
        this.#finished.delete(step);
        return this.#enter(step);
      case 'cached':
        return this.#finish(step, 'CACHED');
      case 'completed':
        return this.#finish(step, `DONE ${seconds(record.ms ?? 0, 1)}s`);
      case 'failed':
        return this.#finish(step, `ERROR: ${safeText(record.error ?? 'failed')}`);
      case 'canceled':
        return this.#finish(step, 'CANCELED');
    }
  }

  #output(record: Of<'output'>): string {
    const key = `${record.step} ${record.stream}`;
    const before = this.#partial.get(key);
    const lines = ((before?.text ?? '') + record.data).split('\n');
    const rest = lines.pop() ?? '';
    if (rest) this.#partial.set(key, { at: before && lines.length === 0 ? before.at : record.t, text: rest });
    else this.#partial.delete(key);
    if (lines.length === 0) return '';
    const text = lines.map((line, i) => this.#line(record.step, i === 0 && before ? before.at : record.t, line));
    return this.#enter(record.step) + text.join('');
  }

  #line(step: number, at: number, text: string): string {
    const since = at - (this.#startedAt.get(step) ?? at);
    const prefix = `#${step} ${seconds(Math.max(0, since), 3)} `;
    return safeLines(text)
      .map((line) => `${prefix}${line}\n`)
      .join('');
  }

  #status(record: Of<'status'>): string {
    const key = `${record.step} ${record.name}`;
    if (!record.done || this.#transfersDone.has(key)) return '';
    this.#transfersDone.add(key);
    const size = record.total > 0 ? ` ${bytes(record.current)} / ${bytes(record.total)}` : '';
    return `${this.#enter(record.step)}#${record.step} ${safeName(record.name)}${size} done\n`;
  }

  #warning(record: Of<'warning'>): string {
    const detail = record.detail ? `\n${safeText(record.detail)}` : '';
    return `${this.#leave()}${record.step ? `#${record.step} ` : ''}WARN: ${safeText(record.message)}${detail}\n`;
  }

  #end(record: Of<'end'>): string {
    const { failure, state } = record;
    const unfinished = [...this.#names.keys()].map((step) => this.#flush(step)).join('');
    const before = unfinished + this.#leave();
    if (state === 'queued') {
      return `${before}kiln: attempt lost (${safeText(failure?.message ?? 'host lost')}); the build is queued again\n`;
    }
    if (!failure) return `${before}kiln: ${state}${runText(record)}\n`;
    const excerpt = failure.excerpt ? safeText(failure.excerpt).replace(/\n?$/, '\n') : '';
    return `${before}${excerpt}kiln: ${failureSentence(state, failure)}\n`;
  }

  /** Switches the output to a step, and prints its name if that is a change. */
  #enter(step: number): string {
    if (this.#current === step) return '';
    const left = this.#leave();
    this.#current = step;
    return `${left}#${step} ${this.#names.get(step) ?? ''}\n`;
  }

  /** Ends the output of the current step. */
  #leave(): string {
    const step = this.#current;
    this.#current = undefined;
    if (step === undefined) return '';
    return this.#finished.has(step) ? '\n' : `#${step} ...\n\n`;
  }

  #finish(step: number, how: string): string {
    const text = `${this.#enter(step)}${this.#flush(step)}#${step} ${how}\n`;
    this.#finished.add(step);
    return text;
  }

  /** Prints lines of the step that have no line end. */
  #flush(step: number): string {
    return ['stdout', 'stderr']
      .map((stream) => {
        const key = `${step} ${stream}`;
        const rest = this.#partial.get(key);
        this.#partial.delete(key);
        return rest ? this.#enter(step) + this.#line(step, rest.at, rest.text) : '';
      })
      .join('');
  }
}

/** Describes how an attempt went: ` in 12.3s on h1, 3 of 5 steps cached`. Empty for a log of an older version. */
export function runText({ host, ms, steps }: Pick<Of<'end'>, 'host' | 'ms' | 'steps'>): string {
  const time = ms === undefined ? '' : ` in ${ms < MINUTE_MS ? `${seconds(ms, 1)}s` : minutes(ms)}`;
  const cached = steps && steps.total > 0 ? `, ${steps.cached} of ${steps.total} steps cached` : '';
  return `${time}${host === undefined ? '' : ` on ${safeName(host)}`}${cached}`;
}

/**
 * Describes how a build ended without success: `failed: RUN make: exit code 2 [step_failed]`. What the state already says, as in `canceled while
 * queued`, isn't repeated.
 */
export function failureSentence(
  state: string,
  { code, message }: Pick<NonNullable<Of<'end'>['failure']>, 'code' | 'message'>,
): string {
  const text = safeText(message);
  const isSaid = text.startsWith(state) && !/^\w/.test(text.slice(state.length));
  const sentence = isSaid ? text : `${state}: ${text}`;
  return code === state ? sentence : `${sentence} [${code}]`;
}

const MINUTE_MS = 60_000;

function minutes(ms: number): string {
  const whole = Math.round(ms / 1000);
  return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
}

function seconds(ms: number, digits: number): string {
  return (ms / 1000).toFixed(digits);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Formats a size as buildx does, in powers of 1000: `12.34MB`. */
export function bytes(count: number): string {
  const power = count > 0 ? Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3)) : 0;
  return `${power === 0 ? count : (count / 1000 ** power).toFixed(2)}${UNITS[power]}`;
}
