import type { IdentifiedLogRecord, LogRecord } from './record.ts';

/**
 * Renders records as `docker buildx build --progress=plain` prints them: `#5 [2/4] RUN npm ci`, `#5 1.234 output`, `#5 DONE 3.2s`.
 * Keeps, per step, when it started and the unfinished line; one renderer serves one reader of one log.
 */
export class PlainRenderer {
  readonly #startedAt = new Map<number, number>();
  readonly #partial = new Map<string, { at: number; text: string }>();
  readonly #done = new Set<string>();
  readonly #named = new Set<number>();
  #lastStep = 0;

  /** A renderer that goes on from here by itself: lets readers of one log share what is rendered. */
  clone(): PlainRenderer {
    const copy = new PlainRenderer();
    for (const [step, at] of this.#startedAt) copy.#startedAt.set(step, at);
    for (const [key, partial] of this.#partial) copy.#partial.set(key, partial);
    for (const key of this.#done) copy.#done.add(key);
    for (const step of this.#named) copy.#named.add(step);
    copy.#lastStep = this.#lastStep;
    return copy;
  }

  /** Text for one record, with line ends; empty where the record has nothing to show in plain text. */
  render(record: LogRecord | IdentifiedLogRecord): string {
    switch (record.type) {
      case 'step':
        return this.#step(record);
      case 'output':
        return this.#output(record);
      case 'status':
        return this.#status(record);
      case 'warning':
        return `${this.#flushAll()}${record.step ? `#${record.step} ` : ''}WARN: ${record.message}${detail(record.detail)}\n`;
      case 'note':
        return `${this.#flushAll()}kiln: ${record.message}\n`;
      case 'end':
        return this.#end(record);
    }
  }

  #step(record: Extract<LogRecord, { type: 'step' }>): string {
    const head = this.#named.has(record.step) ? '' : this.#heading(record.step, `${record.name}\n`);
    this.#named.add(record.step);
    switch (record.state) {
      case 'pending':
        return head;
      case 'started':
        this.#startedAt.set(record.step, record.t);
        return head;
      case 'cached':
        return `${head}${this.#flush(record.step)}#${record.step} CACHED\n`;
      case 'completed':
        return `${head}${this.#flush(record.step)}#${record.step} DONE ${seconds(record.ms ?? 0, 1)}s\n`;
      case 'failed':
        return `${head}${this.#flush(record.step)}#${record.step} ERROR: ${record.error ?? 'failed'}\n`;
      case 'canceled':
        return `${head}${this.#flush(record.step)}#${record.step} CANCELED\n`;
    }
  }

  #output(record: Extract<LogRecord, { type: 'output' }>): string {
    const key = `${record.step} ${record.stream}`;
    const before = this.#partial.get(key);
    const lines = ((before?.text ?? '') + record.data).split('\n');
    const rest = lines.pop() ?? '';
    if (rest) this.#partial.set(key, { at: before?.at ?? record.t, text: rest });
    else this.#partial.delete(key);
    if (lines.length === 0) return '';
    return this.#heading(
      record.step,
      lines.map((line, i) => this.#line(record.step, i === 0 && before ? before.at : record.t, line)).join(''),
    );
  }

  #line(step: number, at: number, text: string): string {
    const since = at - (this.#startedAt.get(step) ?? at);
    return `#${step} ${seconds(Math.max(0, since), 3)} ${text.replace(/\r$/, '')}\n`;
  }

  #status(record: Extract<LogRecord, { type: 'status' }>): string {
    if (!record.done) return '';
    const key = `${record.step} ${record.id}`;
    if (this.#done.has(key)) return '';
    this.#done.add(key);
    const size = record.total > 0 ? ` ${bytes(record.current)} / ${bytes(record.total)}` : '';
    return this.#heading(record.step, `#${record.step} ${record.id}${size} done\n`);
  }

  #end(record: Extract<LogRecord, { type: 'end' }>): string {
    const flushed = this.#flushAll();
    const { failure } = record;
    if (record.state === 'queued')
      return `${flushed}kiln: attempt lost (${failure?.message ?? 'host lost'}); the build is queued again\n`;
    if (!failure) return `${flushed}kiln: ${record.state}\n`;
    const excerpt = failure.excerpt ? `${failure.excerpt.replace(/\n?$/, '\n')}` : '';
    return `${flushed}${excerpt}kiln: ${record.state}: ${failure.message} [${failure.code}]\n`;
  }

  /** A blank line and the step's number wherever the output goes over to another step. */
  #heading(step: number, body: string): string {
    const gap = this.#lastStep !== step && this.#lastStep !== 0 ? '\n' : '';
    this.#lastStep = step;
    return body.startsWith('#') ? gap + body : `${gap}#${step} ${body}`;
  }

  #flush(step: number): string {
    return [`${step} stdout`, `${step} stderr`]
      .map((key) => {
        const rest = this.#partial.get(key);
        this.#partial.delete(key);
        return rest ? this.#line(step, rest.at, rest.text) : '';
      })
      .join('');
  }

  #flushAll(): string {
    return [...this.#startedAt.keys()].map((step) => this.#flush(step)).join('');
  }
}

function detail(text: string | undefined): string {
  return text ? `\n${text}` : '';
}

function seconds(ms: number, digits: number): string {
  return (ms / 1000).toFixed(digits);
}

/** `12.3MB`, in powers of 1000 as buildx prints them. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = count > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(count) / 3)) : 0;
  return `${power === 0 ? count : (count / 1000 ** power).toFixed(2)}${units[power]}`;
}
