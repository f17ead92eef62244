import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { begin, FROM, lab } from './lab.ts';
import { oncePerRun } from './once-per-run.ts';

/** The beginning of a Dockerfile whose context has `smallRoot()` as `root.tar`. */
export const BASE = 'FROM scratch\nADD root.tar /';

/** What most tests need, so that a run builds it once for all of them. */
const COMMON = [
  ...['sh', 'cat', 'sleep', 'touch', 'rm', 'cp'].map((name) => `/bin/${name}`),
  ...['head', 'tail', 'seq', 'tr'].map((name) => `/usr/bin/${name}`),
];

/**
 * Returns a root file system of a few megabytes, for a BuildKit without the engine's images. It is built once per run for the same programs.
 * @param more paths of further programs. Always there: `sh`, `cat`, `sleep`, `touch`, `rm`, `cp`, `head`, `tail`, `seq`, `tr`
 */
export async function smallRoot(more: readonly string[] = []): Promise<Buffer> {
  const programs = [...new Set([...COMMON, ...more])].join(' ');
  const hash = createHash('sha256').update(programs).digest('hex').slice(0, 8);
  const path = await oncePerRun(`root-${hash}.tar`, async (file) => writeFile(file, await buildRoot(programs)));
  return path === undefined ? await buildRoot(programs) : await readFile(path);
}

async function buildRoot(programs: string): Promise<Buffer> {
  await using engines = await lab();
  const parts: Buffer[] = [];
  const { outcome } = begin(engines.builder, {
    dockerfile: [
      `${FROM} AS full`,
      'WORKDIR /out',
      // What a RUN mounts, so that it doesn't add these to its layer, with the present time.
      'RUN mkdir dev etc proc sys && touch etc/hosts etc/resolv.conf',
      `RUN cp -L --parents ${programs} $(ldd ${programs} | grep -o '/lib[^ :]*' | sort -u) /out`,
      'FROM scratch',
      'COPY --from=full /out /',
    ].join('\n'),
    spec: { output: { type: 'artifact' } },
    async artifact(stream: Readable) {
      for await (const part of stream) parts.push(part as Buffer);
      return { digest: '', sizeBytes: 0 };
    },
  });
  const { end, failure } = await outcome;
  if (end !== 'succeeded') throw new Error(`the small root file system could not be built: ${failure?.message}`);
  return Buffer.concat(parts);
}
