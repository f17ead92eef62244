/** Beside the ids of runs (`RunUser`), below those that a rootless engine maps. */
const FIRST_UID = 59_000;
const COUNT = 6_000;

/** Trees of all builders of this process by user id: a user of one tree may never read another. */
const holders = new Map<number, string>();

/** Takes a free user id for the tree in `dir`, at random, so that it is unlikely to be that of a tree that isn't known yet. @throws RangeError if all are taken */
export function takeTreeUser(dir: string, random: () => number = Math.random): number {
  const from = Math.floor(random() * COUNT);
  for (let tried = 0; tried < COUNT; tried += 1) {
    const uid = FIRST_UID + ((from + tried) % COUNT);
    if (holders.has(uid)) continue;
    holders.set(uid, dir);
    return uid;
  }
  throw new RangeError(`no user id is free: there are ${COUNT} working trees on this host`);
}

export function isTreeUser(uid: number): boolean {
  return uid >= FIRST_UID && uid < FIRST_UID + COUNT;
}

/** Takes the user id that the tree in `dir` has had; returns false if another tree has it. */
export function keepTreeUser(dir: string, uid: number): boolean {
  const holder = holders.get(uid);
  if (holder !== undefined && holder !== dir) return false;
  if (!isTreeUser(uid)) return false;
  holders.set(uid, dir);
  return true;
}

export function releaseTreeUser(dir: string, uid: number): void {
  if (holders.get(uid) === dir) holders.delete(uid);
}
