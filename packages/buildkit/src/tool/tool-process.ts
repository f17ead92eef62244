import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import { type Frame, FrameDemuxer } from '../engine/demux-frames.ts';
import { callEngine } from '../engine/engine.ts';

/** The engine closes the streams shortly before it knows the exit code. */
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
    // An 'error' event without a listener would end the worker, and reading and writing only listen at times.
    socket.on('error', (error) => {
      this.#broken ??= error;
    });
  }

  /** The error of the connection, if it broke. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  /** Whether its streams are open, as far as this process knows. */
  get isOpen(): boolean {
    const { destroyed, readableEnded, writable } = this.#socket;
    return !destroyed && !readableEnded && writable;
  }

  /** Calls `listener` if it ends before its output is read. What it prints until then is lost. */
  onceClosed(listener: () => void): void {
    this.#socket.once('close', listener);
  }

  /** Waits until it has printed something, which stays to be read, or has ended. */
  async hasPrinted(): Promise<void> {
    const socket = this.#socket;
    if (!this.isOpen || socket.readableLength > 0) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off('readable', done).off('close', done);
        resolve();
      };
      socket.on('readable', done).on('close', done);
    });
  }

  /** Writes to its standard input. The process must have been started with one. */
  write(text: string): void {
    this.#socket.write(text);
  }

  /** Writes to its standard input, and waits while it reads slower. Once the process has ended, what is written is lost. */
  async send(data: Uint8Array): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded || socket.write(data)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off('drain', done).off('close', done).off('error', done).off('end', done);
        resolve();
      };
      socket.on('drain', done).on('close', done).on('error', done).on('end', done);
    });
  }

  /** Ends its standard input; its output is still read. */
  endInput(): void {
    this.#socket.end();
  }

  /**
   * Yields its output until it has closed both streams. Reads on demand, so a slow consumer slows the process down. A broken
   * connection just ends the output; `exitCode` shows what became of the process.
   */
  async *output(): AsyncGenerator<Frame> {
    const demuxer = new FrameDemuxer();
    try {
      for await (const chunk of this.#socket) yield* demuxer.push(chunk as Buffer);
    } catch (error) {
      this.#broken ??= error as Error;
    }
  }

  /** Returns the exit code, after the end of the output; undefined if the engine can no longer report it. */
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

  /** Closes the connection; the process itself continues. */
  abandon(): void {
    this.#socket.destroy();
  }

  /** Collects its output until it ends, or until the time-out, after which the exit code is undefined. */
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
