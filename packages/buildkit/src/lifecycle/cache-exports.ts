import { type CacheLocation, onAllTargets } from '@kiln/contracts';
import type { RunOutcome } from '../outcome/outcome.ts';
import { type CacheForm, type FailedExport, registryOf } from '../run/cache-flags.ts';
import { runBuild } from '../run/run-build.ts';
import type { RunHost } from '../run/run-host.ts';
import type { RunRequest } from '../run/run-request.ts';
import type { CacheForms } from './cache-forms.ts';
import type { S3Caches } from './s3-caches.ts';

/** Runs builds with the caches that they export, each in the form that its registry takes. */
export class CacheExports {
  readonly #forms: CacheForms;
  readonly #s3: S3Caches;

  constructor(forms: CacheForms, s3: S3Caches) {
    this.#forms = forms;
    this.#s3 = s3;
  }

  /** Runs a build and, if a registry refused the form of its caches, exports them in the next form. */
  async run(host: RunHost, request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
    const formOf = await this.#forms.all();
    const { from, to } = request.cachePlaces ?? { from: [], to: [] };
    const isWithin = (one: CacheLocation) => one.type === 'registry' && formOf(registryOf(one.ref)) === 'inline';
    const apart = { ...request, cachePlaces: { from, to: to.filter((one) => !isWithin(one)) }, cacheForm: formOf };
    let failed: FailedExport | undefined;
    const onFailedExport = (one: FailedExport) => {
      failed = one;
    };
    const outcome = await this.#s3.run(host, { ...apart, onFailedExport }, signal);
    if (outcome.end !== 'succeeded') return outcome;
    const within = to.filter(isWithin);
    if (failed) within.push(...(await this.#exportAgain(host, apart, failed, signal)));
    else tellExported(apart);
    if (within.length > 0 && !signal.aborted) await exportWithin(host, request, within, signal);
    return outcome;
  }

  /** Returns the locations whose registries take no caches but those within images. */
  async #exportAgain(
    host: RunHost,
    request: RunRequest,
    first: FailedExport,
    signal: AbortSignal,
  ): Promise<readonly CacheLocation[]> {
    let failed: FailedExport | undefined = first;
    const refs = (request.cachePlaces?.to ?? []).filter((one) => one.type === 'registry');
    while (failed?.isRefusal && refs.length > 0 && !signal.aborted) {
      const formOf = await this.#forms.all();
      // Which of several locations refused isn't reported, so the next form is for all.
      const before: CacheForm[] = refs.map(({ ref }) => formOf(registryOf(ref)));
      const next = await this.#nextForms(
        refs.map(({ ref }) => registryOf(ref)),
        before,
      );
      if (next === undefined) break;
      if (next === 'inline') {
        await noteIn(host, request, 'the registry takes no caches; from now on they are kept in an image');
        return refs;
      }
      failed = undefined;
      const again = {
        ...exportOnly({ ...request, sink: () => undefined }, refs),
        cacheForm: await this.#forms.all(),
        onFailedExport: (one: FailedExport) => {
          failed = one;
        },
      };
      const outcome = await runBuild(host, again, signal);
      if (outcome.end !== 'succeeded') {
        await noteIn(host, request, `caches were not exported: ${outcome.failure?.message ?? outcome.end}`);
        return [];
      }
      if (!failed) {
        tellExported(request);
        await noteIn(host, request, 'caches exported as image manifests, because the registry refused an index');
        return [];
      }
    }
    if (failed) await noteIn(host, request, `caches were not exported: ${failed.error}`);
    return [];
  }

  async #nextForms(registries: readonly string[], forms: readonly CacheForm[]): Promise<CacheForm | undefined> {
    let next: CacheForm | undefined;
    for (const [i, registry] of registries.entries())
      next = (await this.#forms.refused(registry, forms[i] ?? 'index')) ?? next;
    return next;
  }
}

/** Returns a request that finds every step in the builder's caches, and only exports these. */
export function exportOnly(request: RunRequest, to: readonly CacheLocation[]): RunRequest {
  const { artifact: _, archive: __, observer: ___, ...rest } = request;
  return {
    ...rest,
    spec: onAllTargets(request.spec, { output: { type: 'none' }, noCache: false, noCacheFilter: [], pull: false }),
    cachePlaces: { from: [], to },
  };
}

/**
 * Pushes the image with its caches inside to the references of the caches. A run of its own: the build's image stays the same in every mode, and
 * doesn't fail if these references can't be pushed.
 */
async function exportWithin(
  host: RunHost,
  request: RunRequest,
  to: readonly CacheLocation[],
  signal: AbortSignal,
): Promise<void> {
  const within = exportOnly({ ...request, sink: () => undefined }, to);
  const outcome = await runBuild(
    host,
    {
      ...within,
      // Attestations would make it an index, which such registries are likely to refuse.
      spec: { ...within.spec, tags: registryRefs(within), output: { type: 'push' }, provenance: false, sbom: false },
      cacheForm: () => 'inline',
    },
    signal,
  );
  if (outcome.end === 'succeeded') return;
  await noteIn(host, request, `caches were not exported: ${outcome.failure?.message ?? outcome.end}`);
}

/** Caches within images are left out: what looks like an image is never cleaned away. */
function tellExported(request: RunRequest): void {
  const refs = registryRefs(request);
  if (refs.length > 0) request.onExported?.(refs);
}

function registryRefs({ cachePlaces }: RunRequest): string[] {
  return (cachePlaces?.to ?? []).flatMap((one) => (one.type === 'registry' ? [one.ref] : []));
}

/** Writes a line into a build's log. */
export async function noteIn(host: RunHost, request: RunRequest, message: string): Promise<void> {
  await request.sink({ t: host.now(), type: 'note', message });
}
