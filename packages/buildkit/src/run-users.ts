/** Above people's and services' users as systems hand them out, below what a rootless engine maps. */
const FIRST_UID = 58_000;
const COUNT = 1_000;

const taken = new Set<number>();
let next = 0;

/** A user id that no other run of this process has. Released when disposed of. @throws RangeError where all are taken */
export class RunUser implements Disposable {
  readonly uid: number;

  constructor() {
    // In turn, so that one is long unused before it comes again.
    for (let tried = 0; tried < COUNT; tried += 1) {
      const uid = FIRST_UID + next;
      next = (next + 1) % COUNT;
      if (taken.has(uid)) continue;
      taken.add(uid);
      this.uid = uid;
      return;
    }
    throw new RangeError(`${COUNT} builds run on this host; no more are possible at a time`);
  }

  [Symbol.dispose](): void {
    taken.delete(this.uid);
  }
}
