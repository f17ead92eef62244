import type { IdentifiedLogRecord, LogRecord } from '@kiln/contracts';
import { Terminal } from '@xterm/headless';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Channel } from '../io/output.ts';
import { FakeSink } from '../testing/fake-io.ts';
import { LiveView } from './live-view.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'], now: 1_000_000 });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A real terminal emulator behind the view. */
class Screen {
  readonly sink: FakeSink;
  readonly view: LiveView;
  readonly #terminal: Terminal;
  readonly #env: Record<string, string>;
  writes = 0;

  constructor(columns: number, rows: number, env: Record<string, string> = { NO_COLOR: '1' }) {
    this.#env = env;
    this.sink = new FakeSink({ columns, rows });
    this.#terminal = new Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true, scrollback: 1_000 });
    this.sink.onWrite = (text) => {
      this.writes += 1;
      this.#terminal.write(text);
    };
    this.view = new LiveView(new Channel(this.sink, this.#env), Date.now);
  }

  log(record: LogRecord): void {
    this.view.record({ ...record, id: '1.1' } as IdentifiedLogRecord);
  }

  resize(columns: number, rows: number): void {
    this.sink.columns = columns;
    this.sink.rows = rows;
    this.#terminal.resize(columns, rows);
    this.sink.emit('resize');
  }

  /** Everything in the terminal, scrolled off lines too, without trailing blanks. */
  async text(): Promise<string[]> {
    await new Promise<void>((resolve) => {
      this.#terminal.write('', resolve);
    });
    const { active } = this.#terminal.buffer;
    const lines = Array.from({ length: active.length }, (_, i) => active.getLine(i)?.translateToString(true) ?? '');
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }
}

const started = (step: number, name = `[${step}/9] RUN step ${step}`): LogRecord => ({
  t: Date.now(),
  type: 'step',
  step,
  name,
  state: 'started',
});
const done = (step: number, ms: number): LogRecord => ({
  t: Date.now(),
  type: 'step',
  step,
  name: `[${step}/9] RUN step ${step}`,
  state: 'completed',
  ms,
});
const output = (step: number, data: string): LogRecord => ({
  t: Date.now(),
  type: 'output',
  step,
  stream: 'stdout',
  data,
});

describe('LiveView', () => {
  it('shows finished steps above running ones, with time and last output', async () => {
    const screen = new Screen(60, 20);
    screen.log(started(1));
    screen.log(done(1, 1_234));
    screen.log(started(2));
    screen.log(output(2, 'compiling\nlinking\n'));
    vi.advanceTimersByTime(2_500);
    expect(await screen.text()).toEqual([
      ` => [1/9] RUN step 1${' '.repeat(35)}1.2s`,
      ` => [2/9] RUN step 2${' '.repeat(35)}2.5s`,
      ' => => # compiling',
      ' => => # linking',
      '[+] Building 2.5s (1/2)',
    ]);
    screen.log(done(2, 2_600));
    screen.log({ t: Date.now(), type: 'end', state: 'succeeded' });
    screen.view.close();
    expect(await screen.text()).toEqual([
      ` => [1/9] RUN step 1${' '.repeat(35)}1.2s`,
      ` => [2/9] RUN step 2${' '.repeat(35)}2.6s`,
      '[+] Building 2.5s (2/2) FINISHED',
    ]);
  });

  it('draws at most 20 times a second, and only when something changes', () => {
    const screen = new Screen(60, 20);
    for (let i = 0; i < 1_000; i += 1) {
      screen.log(output(1, `line ${i}\n`));
      vi.advanceTimersByTime(1);
    }
    expect(screen.writes).toBeLessThanOrEqual(20);
  });

  it('leaves no traces in scrolled-off lines, with 30 concurrent steps on 24 rows', async () => {
    const screen = new Screen(40, 24);
    for (let step = 1; step <= 30; step += 1) screen.log(started(step));
    for (let step = 1; step <= 30; step += 1) {
      for (let other = step; other <= 30; other += 1) screen.log(output(other, `out ${step} of ${other}\n`));
      vi.advanceTimersByTime(60);
      screen.log(done(step, step * 60));
      vi.advanceTimersByTime(60);
    }
    screen.log({ t: Date.now(), type: 'end', state: 'succeeded' });
    screen.view.close();
    const lines = await screen.text();
    expect(lines).toHaveLength(31);
    expect(lines.map((line) => Number(/RUN step (\d+)/.exec(line)?.[1])).slice(0, 30)).toEqual(
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
  });

  it('never takes more rows than the terminal has, however narrow', async () => {
    const screen = new Screen(40, 10);
    for (let step = 1; step <= 30; step += 1)
      screen.log(started(step, `[stage-${step}] RUN 漢字漢字漢字漢字漢字漢字 ${'x'.repeat(99)}`));
    vi.advanceTimersByTime(60);
    const lines = await screen.text();
    expect(lines.length).toBeLessThan(10);
    expect(lines.at(-2)).toBe(' => … and 23 more');
    expect(lines.at(-1)).toBe('[+] Building 0.1s (0/30)');
  });

  it('keeps its position when the terminal becomes narrower', async () => {
    const screen = new Screen(80, 24);
    screen.log(started(1, `[1/2] RUN ${'long '.repeat(20)}`));
    screen.log(output(1, `${'o'.repeat(79)}\n`));
    vi.advanceTimersByTime(60);
    screen.resize(40, 24);
    vi.advanceTimersByTime(100);
    const lines = await screen.text();
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^ => \[1\/2] RUN long .*… 0\.\ds$/);
  });

  it('does not let a build’s output control the terminal', async () => {
    const screen = new Screen(60, 20);
    screen.log(started(1));
    screen.log(output(1, 'a\u001b[2J\u001b[10;10Hb\u001b]0;title\u0007c\n10%\r50%\rdone 100%\r\n'));
    vi.advanceTimersByTime(60);
    expect((await screen.text()).slice(1, 3)).toEqual([' => => # abc', ' => => # done 100%']);
  });

  it('keeps colours, except with NO_COLOR', () => {
    for (const [env, coloured] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false],
    ] as const) {
      const screen = new Screen(60, 20, env);
      screen.log(started(1));
      screen.log(output(1, '\u001b[32mgreen\u001b[0m\n'));
      vi.advanceTimersByTime(60);
      expect(screen.sink.text.includes('\u001b[32mgreen')).toBe(coloured);
      screen.view.close();
    }
  });

  it('restores the cursor', () => {
    const screen = new Screen(60, 20);
    vi.advanceTimersByTime(60);
    expect(screen.sink.text).toContain('\u001b[?25l');
    screen.view.close();
    screen.view.close();
    expect(screen.sink.text.endsWith('\u001b[?25h')).toBe(true);
    expect(screen.sink.listenerCount('resize')).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('shows the progress of the upload', async () => {
    const screen = new Screen(80, 20);
    screen.view.uploading(0, 10_000_000);
    vi.advanceTimersByTime(1_000);
    screen.view.uploading(4_000_000, 10_000_000);
    vi.advanceTimersByTime(1_000);
    expect(await screen.text()).toEqual(['[+] Building 2.0s sending context 4.00MB / 10.00MB, 2.00MB/s']);
    screen.view.uploaded('context sent, 4.00MB');
    vi.advanceTimersByTime(60);
    expect((await screen.text())[0]).toMatch(/^ => context sent, 4\.00MB in 2\.[01]s$/);
  });

  it('shows how much of the context was read, and what of it was sent', async () => {
    const screen = new Screen(80, 20);
    screen.view.reading(4_000_000, 10_000_000);
    vi.advanceTimersByTime(1_000);
    screen.view.reading(6_000_000, 10_000_000);
    vi.advanceTimersByTime(60);
    expect((await screen.text())[0]).toMatch(/ reading context 6\.00MB \/ 10\.00MB, 5\.\d+MB\/s$/);
    screen.view.uploading(0, 1_000);
    const begunAt = Date.now();
    vi.advanceTimersByTime(1_000);
    expect((await screen.text())[0]).toMatch(/ sending context 0B \/ 1\.00kB, 0B\/s$/);
    const seconds = ((Date.now() - begunAt) / 1000).toFixed(1);
    screen.view.uploaded('context: 2 files, 10.00MB; 1 file, 1.00kB sent');
    vi.advanceTimersByTime(60);
    expect((await screen.text())[0]).toBe(` => context: 2 files, 10.00MB; 1 file, 1.00kB sent in ${seconds}s`);
  });

  it('starts over with the next attempt', async () => {
    const screen = new Screen(80, 20);
    screen.log(started(1));
    screen.log({ t: Date.now(), type: 'end', state: 'queued', failure: { code: 'host_lost', message: 'a is gone' } });
    screen.log(started(1));
    screen.log(done(1, 100));
    vi.advanceTimersByTime(60);
    const lines = await screen.text();
    expect(lines[0]).toBe('kiln: attempt lost (a is gone); the build returns to the queue');
    expect(lines[1]).toMatch(/RUN step 1 .* 0\.1s$/);
    expect(lines.at(-1)).toMatch(/\(1\/1\)/);
  });
});
