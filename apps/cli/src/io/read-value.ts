import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UsageError } from './errors.ts';
import { EXIT } from './exit-codes.ts';
import type { Io } from './output.ts';

/** Longer input can't be a secret; reading stops there. */
const MAX_INPUT_BYTES = 8 * 1024 * 1024;

/**
 * Reads a secret value: from a pipe, without the line end that `echo` adds, or typed at a terminal without echo.
 * Ctrl-C at the prompt ends the process. @throws UsageError
 */
export async function readValue(io: Io, prompt: string): Promise<string> {
  if (io.stdin.isTTY) return await readTyped(io, prompt);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of io.stdin) {
    length += part.length;
    if (length > MAX_INPUT_BYTES) throw new UsageError('standard input is too long for a secret');
    parts.push(part);
  }
  return text(Buffer.concat(parts), 'standard input').replace(/\r?\n$/, '');
}

/** Reads a file's content unchanged. @throws UsageError */
export async function readValueFile(io: Io, path: string): Promise<string> {
  const data = await readFile(resolve(io.cwd, path)).catch((error: Error) => {
    throw new UsageError(`${path}: ${error.message}`);
  });
  return text(data, path);
}

function text(data: Uint8Array, from: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new UsageError(`${from} is not UTF-8 text; encode it with base64 and decode it in the RUN step`);
  }
}

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const CTRL_U = '\u0015';
const ERASERS: ReadonlySet<string> = new Set(['\b', '\u007f']);

async function readTyped(io: Io, prompt: string): Promise<string> {
  const { stdin, err } = io;
  err.write(`${prompt}: `);
  stdin.setRawMode?.(true);
  const decoder = new TextDecoder();
  let typed: string[] = [];
  try {
    for await (const part of stdin) {
      for (const char of decoder.decode(part, { stream: true })) {
        if (char === '\r' || char === '\n' || char === CTRL_D) return typed.join('');
        if (char === CTRL_C) return leave(io);
        if (char === CTRL_U) typed = [];
        else if (ERASERS.has(char)) typed.pop();
        else typed.push(char);
      }
    }
    return typed.join('');
  } finally {
    stdin.setRawMode?.(false);
    err.line();
  }
}

function leave({ stdin, exitNow }: Io): never {
  stdin.setRawMode?.(false);
  exitNow(EXIT.interrupted);
  throw new UsageError('interrupted; nothing was stored');
}
