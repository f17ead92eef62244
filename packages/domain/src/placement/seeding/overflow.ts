/**
 * Returns the probability that all `slots` are busy when a build comes, given the slots that are busy on average: Erlang's loss formula.
 * 1 without slots.
 */
export function overflow(slots: number, load: number): number {
  let blocked = 1;
  for (let i = 1; i <= slots; i++) {
    blocked = (load * blocked) / (i + load * blocked);
    if (blocked < NEGLIGIBLE) return 0;
  }
  return blocked;
}

const NEGLIGIBLE = 1e-6;
