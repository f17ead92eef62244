import { Readable } from 'node:stream';
import { buildSpec } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import { byteString, digestOf, padding, tarEnd, tarHeaders } from '@kiln/trees';
import type { RunOutcome } from '../outcome/outcome.ts';
import type { RunRequest } from '../run/run-request.ts';

const TIMEOUT_SECONDS = 120;

let probes = 0;

/** Returns a build of Kiln's own that needs nothing but BuildKit, and leaves only some bytes in its cache. */
export function probeRequest(trust: Trust, domain: string | undefined, now: number): RunRequest {
  const dockerfile = `FROM scratch\nCOPY Dockerfile /kiln-probe-${now}\n`;
  return {
    buildId: `probe-${process.pid}-${probes++}`,
    attempt: 1,
    trust,
    ...(domain !== undefined && { domain }),
    repo: 'kiln probe',
    spec: buildSpec.parse({ source: { type: 'upload', name: 'probe' }, secrets: [], timeoutSeconds: TIMEOUT_SECONDS }),
    secrets: new Map(),
    source: { type: 'tar', open: async () => Readable.from([tarOf(dockerfile)]) },
    sink: () => undefined,
  };
}

/** @throws Error if the probe failed */
export function assertProbed({ end, failure }: RunOutcome): void {
  if (end !== 'succeeded') throw new Error(`a trial build did not succeed: ${failure?.message ?? end}`);
}

/** Returns a tar with nothing but a Dockerfile. */
function tarOf(dockerfile: string): Buffer {
  const content = Buffer.from(dockerfile);
  const name = byteString('Dockerfile');
  const sizeBytes = content.length;
  const entry = {
    type: 'file',
    path: name,
    mode: 0o644,
    sizeBytes,
    contentId: digestOf(content),
    mtimeNs: 0n,
  } as const;
  const parts = [tarHeaders(entry, name), content, padding(sizeBytes)];
  const written = parts.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([...parts, tarEnd(written)]);
}
