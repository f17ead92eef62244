import { readStepName } from '../why-slow/step-name.ts';

/** What a RUN sets for the directory of a cache mount. BuildKit keeps a mount of its own for each combination, also with the same id. */
export interface MountOwner {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** In octal digits. */
  readonly mode?: string | undefined;
}

const USER_ID = /^\d{1,9}$/;
const MODE = /^[0-7]{1,5}$/;

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
  const target = fields.get('target') ?? fields.get('dst') ?? fields.get('destination');
  const id = fields.get('id') ?? target;
  if (fields.get('type') !== 'cache' || !id || fields.has('from')) return undefined;
  const [uid, gid, mode] = [fields.get('uid'), fields.get('gid'), fields.get('mode')];
  if (uid === undefined && gid === undefined && mode === undefined) return undefined;
  if (!USER_ID.test(uid ?? '0') || !USER_ID.test(gid ?? '0') || !MODE.test(mode ?? '0')) return undefined;
  const owner: MountOwner = {
    ...(uid !== undefined && { uid: Number(uid) }),
    ...(gid !== undefined && { gid: Number(gid) }),
    ...(mode !== undefined && { mode }),
  };
  return { id, owner };
}
