import type Docker from 'dockerode';
import { callEngine } from '../engine/engine.ts';
import { ToolProcess } from './tool-process.ts';

/** Runs a command in a running container, and returns what it prints, whatever its exit code. @throws EngineError @throws Error after `timeoutMs` */
export async function captureIn(
  engine: Docker,
  container: string,
  argv: readonly string[],
  timeoutMs: number,
): Promise<{ stdout: string; stderr: string }> {
  const exec = await callEngine('create an exec', (abortSignal) =>
    engine.getContainer(container).exec({ Cmd: [...argv], AttachStdout: true, AttachStderr: true, abortSignal }),
  );
  const socket = await callEngine('start an exec', (abortSignal) =>
    exec.start({ hijack: true, stdin: false, abortSignal }),
  );
  return await new ToolProcess(exec, socket).capture(timeoutMs);
}
