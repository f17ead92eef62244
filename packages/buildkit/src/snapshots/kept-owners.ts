import { randomBytes } from 'node:crypto';
import type { MountOwner } from '@kiln/domain';
import type { BuildkitControl } from '../control/buildkit-control.ts';
import type { UsageRecord } from '../control/control-messages.ts';
import { mountId } from '../control/inventory.ts';
import { KEPT } from '../control/kept-records.ts';
import type { RunHost } from '../run/run-host.ts';
import type { MountOwners } from './mount-owners.ts';
import { ownerOptions } from './mount-run.ts';
import { runOwn } from './own-run.ts';

const TIMEOUT_SECONDS = 60;
/** Most combinations of owner and mode that are kept: those that builds used last. */
const MAX_OWNERS = 64;
const MOUNT = 'exec.cachemount';
const LAYER = 'regular';
/** An argument of the RUN. */
const ARGUMENT = /^\d+:\d+:[0-7]+$/;

/**
 * Keeps cache mounts with `uid=`, `gid=` or `mode=` reachable when records are pruned. BuildKit finds such a mount by the id of a record that its step "settings
 * cache mount permissions" has made, and forgets the cached result of that step as soon as no other cached step depends on it, although the record is still there
 * (solver/bboltcachestorage, `emptyBranchWithParents`). The next build makes another record, and so gets an empty mount. That is easy to bring about: a
 * prune, of whatever record, makes BuildKit forget the steps of all images that the engine's containerd had unpacked before, because it looks for their layers with
 * a context that has been canceled (control.go, `Prune`). So before anything is pruned, a step without an image is made to depend on each combination in use. It
 * takes a few megabytes for a builder, and inventories leave it out.
 */
export class KeptOwners {
  readonly #host: RunHost;
  readonly #owners: MountOwners;
  readonly #signal: AbortSignal;
  #keeping: Promise<void> | undefined;

  constructor(host: RunHost, owners: MountOwners, signal: AbortSignal) {
    this.#host = host;
    this.#owners = owners;
    this.#signal = signal;
  }

  /** Call it before pruning. Doesn't throw: then mounts may become unreachable. */
  async keep(control: BuildkitControl): Promise<void> {
    this.#keeping ??= this.#keep(control)
      .catch((error: unknown) => {
        this.#host.log.warn({ err: error }, 'cache mounts with an owner or a mode may get lost');
      })
      .finally(() => {
        this.#keeping = undefined;
      });
    await this.#keeping;
  }

  async #keep(control: BuildkitControl): Promise<void> {
    const owners = await this.#owners.all();
    if (owners.size === 0) return;
    const missing = missingOwners(await control.diskUsage(), owners);
    if (missing.length === 0) return;
    await this.#run(missing);
    const rest = (await control.diskUsage()).filter(
      ({ type, description }) => type !== LAYER && description.includes(KEPT),
    );
    await control.prune(rest.map(({ id }) => id));
  }

  async #run(missing: readonly MountOwner[]): Promise<void> {
    const mounts = missing.map(
      (owner, i) => `--mount=type=cache,id=${KEPT}-${i},target=/kiln/${i}${ownerOptions(owner)}`,
    );
    const command = JSON.stringify(['/bin/sh', '-c', ':', KEPT, ...missing.map(argumentOf)]);
    const dockerfile = [
      `FROM scratch AS root-${KEPT}`,
      // The second source makes the layer another one than those of runs on mounts, which are pruned.
      `COPY --from=${KEPT} root/ kept /`,
      `FROM root-${KEPT}`,
      `RUN --network=none ${mounts.join(' ')} ${command}`,
    ];
    async function* empty(): AsyncGenerator<Uint8Array> {}
    const id = `${KEPT}-${randomBytes(10).toString('hex')}`;
    const file = { name: 'kept', sizeBytes: 0, content: empty() };
    const names = { what: 'keeping cache mounts with an owner', id, contextName: KEPT, namespace: KEPT };
    await runOwn(this.#host, { ...names, dockerfile, timeoutSeconds: TIMEOUT_SECONDS, file }, this.#signal);
  }
}

/** Returns the combinations that mounts in use have, and on which no step of `KeptOwners` depends. @param owners by `<namespace>/<id>` */
export function missingOwners(records: readonly UsageRecord[], owners: ReadonlyMap<string, MountOwner>): MountOwner[] {
  const kept = new Set(records.flatMap(({ type, description }) => (type === LAYER ? argumentsIn(description) : [])));
  const held = new Set(records.filter(({ type }) => type === MOUNT).map(mountId));
  const used = [...owners].flatMap(([id, owner]) => (held.has(id) ? [[argumentOf(owner), owner] as const] : []));
  return [...new Map(used.slice(-MAX_OWNERS))].flatMap(([text, owner]) => (kept.has(text) ? [] : [owner]));
}

/** Returns the arguments of the RUN, which are at the end of the description of its layer. */
function argumentsIn(description: string): string[] {
  const at = description.lastIndexOf(` ${KEPT} `);
  const words = at < 0 ? [] : description.slice(at + KEPT.length + 2).split(' ');
  return words.every((word) => ARGUMENT.test(word)) ? words : [];
}

function argumentOf({ uid, gid, mode }: MountOwner): string {
  return `${uid}:${gid}:${mode.toString(8)}`;
}
