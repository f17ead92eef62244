import type { Readable } from 'node:stream';
import { begin, FROM, lab } from './lab.ts';

/** The beginning of a Dockerfile whose context has `smallRoot()` as `root.tar`. */
export const BASE = 'FROM scratch\nADD root.tar /';

/** Builds a root file system of a few megabytes, for a BuildKit without the engine's images: `sh`, `cat`, `sleep`, and the programs with the paths `more`. */
export async function smallRoot(more: readonly string[] = []): Promise<Buffer> {
  const programs = ['/bin/sh', '/bin/cat', '/bin/sleep', ...more].join(' ');
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
