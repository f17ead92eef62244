import type { CacheLocation } from '@kiln/contracts';
import type { RunOutcome } from '../outcome/outcome.ts';
import { runBuild } from '../run/run-build.ts';
import type { RunHost } from '../run/run-host.ts';
import type { RunRequest } from '../run/run-request.ts';

/** BuildKit refuses to begin such a build. Only moby/buildkit's images know S3; an engine's own BuildKit doesn't. */
const UNKNOWN = /unknown cache (?:exporter|importer): "?s3\b/;

/** Runs builds without their caches in S3 where BuildKit can't keep any: caches that don't work fail no build. */
export class S3Caches {
  #isUnknown = false;

  /** As `runBuild`. */
  async run(host: RunHost, request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
    const { from, to } = request.cachePlaces ?? { from: [], to: [] };
    if (![...from, ...to].some(isS3)) return await runBuild(host, request, signal);
    if (!this.#isUnknown) {
      const outcome = await runBuild(host, request, signal);
      if (!UNKNOWN.test(outcome.failure?.message ?? '')) return outcome;
      this.#isUnknown = true;
    }
    const message = 'caches in S3 are left out: this host’s BuildKit has none';
    await request.sink({ t: host.now(), type: 'note', message });
    const cachePlaces = { from: from.filter((one) => !isS3(one)), to: to.filter((one) => !isS3(one)) };
    return await runBuild(host, { ...request, cachePlaces }, signal);
  }
}

function isS3({ type }: CacheLocation): boolean {
  return type === 's3';
}
