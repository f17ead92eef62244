/** Above the ids that systems assign to people and services, below those that a rootless engine maps. */
const FIRST_UID = 58_000;
const COUNT = 1_000;

const taken = new Set<number>();
let next = 0;

/** A user id that no other run of this process has; released when disposed of. The constructor throws RangeError if all are taken. */
export class RunUser implements Disposable {
  readonly uid: number;

  constructor() {
    // In turn, so that an id is used again as late as possible.
    for (let tried = 0; tried < COUNT; tried += 1) {
      const uid = FIRST_UID + next;
      next = (next + 1) % COUNT;
      if (taken.has(uid)) continue;
      taken.add(uid);
      this.uid = uid;
      return;
    }
    throw new RangeError(`no user id is free: ${COUNT} builds are running on this host`);
  }

  [Symbol.dispose](): void {
    taken.delete(this.uid);
  }
}
