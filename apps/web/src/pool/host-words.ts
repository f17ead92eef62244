import { bytes, type HostInfoView } from '@kiln/contracts';
import { counted } from '../ui/counted.ts';

/** What keeps a host from taking builds: `low disk, 3 min left`. Empty if nothing does. */
export function hostNote({ state, conditions = [], drain, domainsAway = [] }: HostInfoView, nowMs: number): string {
  const isHere = state !== 'lost' && state !== 'left';
  return [
    ...(isHere ? conditions.map((condition) => condition.replaceAll('_', ' ')) : []),
    ...(isHere && domainsAway.length > 0 ? [`${counted(domainsAway.length, 'builder')} away`] : []),
    ...(state === 'draining' && drain?.deadline ? [leftWords(Date.parse(drain.deadline) - nowMs)] : []),
    ...(drain?.caches === 'moving' ? ['copying its caches to other hosts'] : []),
  ].join(', ');
}

function leftWords(ms: number): string {
  if (ms <= 0) return 'deadline passed';
  return ms < 60_000 ? 'less than a minute left' : `${Math.ceil(ms / 60_000)} min left`;
}

/** What a pool has: hosts that take builds, and their slots. */
export function poolNumbers(hosts: readonly HostInfoView[]): { ready: number; slots: number; usedSlots: number } {
  const ready = hosts.filter(({ state, conditions = [] }) => state === 'ready' && conditions.length === 0);
  return {
    ready: ready.length,
    slots: ready.reduce((sum, { slots }) => sum + slots, 0),
    usedSlots: hosts.reduce((sum, { usedSlots }) => sum + usedSlots, 0),
  };
}

/** The disk as used and total bytes, with words: `212GB of 460GB free`. */
export function diskUse({ disk }: HostInfoView): { used: number; total: number; words: string } | undefined {
  if (!disk || disk.totalBytes === 0) return undefined;
  const { totalBytes: total, freeBytes } = disk;
  return { used: total - freeBytes, total, words: `${bytes(freeBytes)} of ${bytes(total)} free` };
}

/** The caches as used bytes and budget, with words: `12GB of 40GB`. */
export function cacheUse({ caches, cacheBudgetBytes }: HostInfoView) {
  if (!caches) return undefined;
  const { usedBytes: used, sizesAreFloors } = caches;
  const words = `${sizesAreFloors ? 'at least ' : ''}${bytes(used)}`;
  if (!cacheBudgetBytes) return { used, total: undefined, words };
  return { used, total: cacheBudgetBytes, words: `${words} of ${bytes(cacheBudgetBytes)}` };
}

/** Labels in the notation of `kiln host set`: `disk=nvme`, `gpu`. */
export function labelWords({ labels }: HostInfoView): string[] {
  return Object.entries(labels)
    .map(([label, value]) => (value === '' ? label : `${label}=${value}`))
    .sort();
}
