import { Readable } from 'node:stream';
import { buildSpec } from '@kiln/contracts';
import type { Failure } from '@kiln/domain';
import { byteString, padding, tarEnd, tarHeaders } from '@kiln/trees';
import { runBuild } from '../run/run-build.ts';
import type { RunHost } from '../run/run-host.ts';
import type { RunRequest } from '../run/run-request.ts';
import { runRoot } from './run-root.ts';

const MAX_OUTPUT_CHARS = 16 * 1024;

/** A run that has failed, or was stopped. */
export class SnapshotRunFailed extends Error {
  readonly failure: Failure;
  /** What its container printed. */
  readonly output: string;

  constructor(what: string, failure: Failure, output: string) {
    super(`${what}: ${failure.message}${output === '' ? '' : `: ${output}`}`);
    this.name = 'SnapshotRunFailed';
    this.failure = failure;
    this.output = output;
  }
}

/** A build of Kiln's own, for what only a RUN can do. */
export interface OwnRun {
  /** What it is for, for the error. */
  readonly what: string;
  /** No run at the same time has the same. */
  readonly id: string;
  /** Name of the context that has `root/` and the file. */
  readonly contextName: string;
  /** Namespace of its cache mounts. */
  readonly namespace: string;
  readonly dockerfile: readonly string[];
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly file?: ContextFile | undefined;
  readonly output?: RunRequest['artifact'];
}

export interface ContextFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Runs a build whose context has the root of a container, in `root/`, and a file.
 * @returns what its steps printed
 * @throws SnapshotRunFailed
 */
export async function runOwn(host: RunHost, run: OwnRun, signal: AbortSignal): Promise<string> {
  const { contextName, namespace, output } = run;
  let printed = '';
  const root = await runRoot(host.tool);
  const outcome = await runBuild(
    host,
    {
      buildId: run.id,
      attempt: 1,
      trust: host.trust,
      spec: buildSpec.parse({
        source: { type: 'upload', name: contextName },
        buildArgs: run.buildArgs ?? {},
        secrets: [],
        timeoutSeconds: run.timeoutSeconds,
        output: { type: output ? 'artifact' : 'none' },
      }),
      repo: contextName,
      internal: { namespace, contextName },
      source: { type: 'tar', open: async () => Readable.from(contextOf(run, root), { objectMode: false }) },
      secrets: new Map(),
      ...(output && { artifact: output }),
      sink(record) {
        if (record.type === 'output') printed = (printed + record.data).slice(-MAX_OUTPUT_CHARS);
      },
    },
    signal,
  );
  if (outcome.end === 'succeeded') return printed;
  const failure = outcome.failure ?? { code: 'infrastructure', message: 'stopped' };
  throw new SnapshotRunFailed(run.what, failure, printed.trim());
}

async function* contextOf({ dockerfile, file }: OwnRun, root: Buffer): AsyncGenerator<Buffer> {
  let written = 0;
  const counted = (chunk: Uint8Array) => {
    written += chunk.length;
    return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  };
  const text = Buffer.from(`${dockerfile.join('\n')}\n`);
  for (const chunk of [fileHeader('Dockerfile', text.length), text, padding(text.length), root]) yield counted(chunk);
  if (file) {
    yield counted(fileHeader(file.name, file.sizeBytes));
    for await (const chunk of file.content) yield counted(chunk);
    yield counted(padding(file.sizeBytes));
  }
  yield tarEnd(written);
}

function fileHeader(name: string, sizeBytes: number): Buffer {
  return tarHeaders(
    { type: 'file', path: byteString(name), mode: 0o644, sizeBytes, contentId: '', mtimeNs: 0n },
    byteString(name),
    0n,
  );
}
