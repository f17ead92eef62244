import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ToolContainer } from '../tool/tool-container.ts';
import { writeDeadline, writeToolScripts } from '../tool/tool-scripts.ts';
import { engine, IMAGES } from './lab.ts';

const FENCE_MS = 600_000;

/** A tool container without a builder. Disposing of it removes it and its directory. */
export interface LoneTool extends AsyncDisposable {
  readonly tool: ToolContainer;
  readonly scratchDir: string;
}

export async function startLoneTool(): Promise<LoneTool> {
  const scratchDir = await mkdtemp(join(tmpdir(), 'kiln-tool-'));
  await writeToolScripts(scratchDir);
  await writeDeadline(scratchDir, Date.now() + FENCE_MS);
  const tool = new ToolContainer({
    ...{ engine, name: `kiln-tool-lone-${randomUUID().slice(0, 8)}`, image: IMAGES.tool, labels: {}, scratchDir },
    engineSocketPath: '/var/run/docker.sock',
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  await tool.recreate();
  return {
    tool,
    scratchDir,
    async [Symbol.asyncDispose]() {
      await tool.remove();
      await rm(scratchDir, { recursive: true });
    },
  };
}
