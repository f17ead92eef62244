import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Frame } from './demux-frames.ts';
import { FrameDemuxer } from './demux-frames.ts';
import { callEngine } from './engine.ts';

/** The engine closes the streams a moment before it knows the exit code. */
const EXIT_CODE_WAIT_MS = 5_000;
const EXIT_CODE_POLL_MS = 10;

/** A process in the tool container, with its streams. */
export class ToolProcess {
  readonly #exec: Docker.Exec;
  readonly #socket: Duplex;
  #broken: Error | undefined;

  constructor(exec: Docker.Exec, socket: Duplex) {
    this.#exec = exec;
    this.#socket = socket;
    // Also when nobody reads or writes just then: an unheard 'error' would end the worker.
    socket.on('error', (error) => {
      this.#broken ??= error;
    });
  }

  /** Why the connection broke, if it did. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  /** Sends to its standard input, where it was started with one. */
  write(text: string): void {
    this.#socket.write(text);
  }

  /**
   * Its output, until it has closed both streams. Reads on only when asked for more, so whoever is slow to take it slows
   * the process down. A broken connection ends the output like any other end: `exitCode` then tells, or doesn't.
   */
  async *output(): AsyncGenerator<Frame> {
    const demuxer = new FrameDemuxer();
    try {
      for await (const chunk of this.#socket) yield* demuxer.push(chunk as Buffer);
    } catch (error) {
      this.#broken ??= error as Error;
    }
  }

  /** Exit code after the end of the output; undefined where the engine can't tell any more. */
  async exitCode(): Promise<number | undefined> {
    this.#socket.destroy();
    const until = Date.now() + EXIT_CODE_WAIT_MS;
    try {
      for (;;) {
        const info = await callEngine('inspect an exec', (abortSignal) => this.#exec.inspect({ abortSignal }));
        if (!info.Running) return info.ExitCode ?? undefined;
        if (Date.now() > until) return undefined;
        await delay(EXIT_CODE_POLL_MS);
      }
    } catch {
      return undefined;
    }
  }

  /** Breaks the connection; the process itself goes on. */
  abandon(): void {
    this.#socket.destroy();
  }

  async capture(timeoutMs: number): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }> {
    const timer = setTimeout(() => this.abandon(), timeoutMs);
    const parts: Record<Frame['stream'], Buffer[]> = { stdout: [], stderr: [] };
    for await (const { stream, data } of this.output()) parts[stream].push(data);
    clearTimeout(timer);
    const exitCode = await this.exitCode();
    return {
      exitCode,
      stdout: Buffer.concat(parts.stdout).toString('utf8'),
      stderr: Buffer.concat(parts.stderr).toString('utf8'),
    };
  }
}
