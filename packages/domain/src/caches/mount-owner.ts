import { readStepName } from '../why-slow/step-name.ts';

/**
 * What a RUN sets for the directory of a cache mount by `uid=`, `gid=` and `mode=`, with BuildKit's defaults for those that are missing. BuildKit keeps a mount of
 * its own for each combination, also with the same id, and another one for RUNs that set none of them.
 */
export interface MountOwner {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

const ID = /^\d{1,9}$/;
const MODE = /^[0-7]{1,5}$/;
const DEFAULT_MODE = '755';

/**
 * Returns what RUN steps set for the directories of their cache mounts, by the mount's id without its namespace. Mounts with `from=`, and
 * with values that can't be read, are left out.
 * @param names of the steps, as BuildKit reports them
 */
export function mountOwners(names: Iterable<string>): Map<string, MountOwner> {
  const owners = new Map<string, MountOwner>();
  for (const name of names) {
    const step = readStepName(name);
    if (step?.op !== 'RUN') continue;
    for (const word of step.text.split(/\s+/).slice(1)) {
      if (!word.startsWith('--')) break;
      const found = word.startsWith('--mount=') ? readMount(word.slice('--mount='.length)) : undefined;
      if (found) owners.set(found.id, found.owner);
    }
  }
  return owners;
}

function readMount(text: string): { id: string; owner: MountOwner } | undefined {
  const fields = new Map(
    text.split(',').map((field): [string, string] => {
      const at = field.indexOf('=');
      return at < 0 ? [field.toLowerCase(), ''] : [field.slice(0, at).toLowerCase(), field.slice(at + 1)];
    }),
  );
  const id = fields.get('id') ?? fields.get('target') ?? fields.get('dst') ?? fields.get('destination');
  if (fields.get('type') !== 'cache' || !id || fields.has('from')) return undefined;
  if (!['uid', 'gid', 'mode'].some((name) => fields.has(name))) return undefined;
  const [uid = '0', gid = '0', mode = DEFAULT_MODE] = [fields.get('uid'), fields.get('gid'), fields.get('mode')];
  if (!ID.test(uid) || !ID.test(gid) || !MODE.test(mode)) return undefined;
  return { id, owner: { uid: Number(uid), gid: Number(gid), mode: Number.parseInt(mode, 8) } };
}
