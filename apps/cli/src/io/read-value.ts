import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UsageError } from './errors.ts';
import { EXIT } from './exit-codes.ts';
import type { Io } from './output.ts';

/** Longer input is read no further: no value is as long. */
const MAX_INPUT_BYTES = 8 * 1024 * 1024;

/**
 * A value that nobody is to see: what is piped in, less the line end that `echo` adds, or what somebody types, which isn't shown.
 * Throws `UsageError`; Ctrl-C leaves.
 */
export async function readValue(io: Io, prompt: string): Promise<string> {
  if (io.stdin.isTTY) return await readTyped(io, prompt);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of io.stdin) {
    length += part.length;
    if (length > MAX_INPUT_BYTES) throw new UsageError('standard input: too long for a secret');
    parts.push(part);
  }
  return text(Buffer.concat(parts), 'standard input').replace(/\r?\n$/, '');
}

/** A file's content as it is. Throws `UsageError`. */
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
    throw new UsageError(`${from}: not UTF-8 text; encode it (base64) and decode it in the RUN`);
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
  throw new UsageError('interrupted; nothing was kept');
}
