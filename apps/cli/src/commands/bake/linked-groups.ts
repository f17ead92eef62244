interface Linked {
  readonly name: string;
  /** Names of the targets that it uses, by context. */
  readonly links: Readonly<Record<string, string>>;
}

/** Puts targets that are linked, directly or by others, into groups, in their order. The first of a group is the first one that no other uses. */
export function linkedGroups<T extends Linked>(targets: readonly T[]): (readonly [T, ...T[]])[] {
  const used = new Set(targets.flatMap(({ links }) => Object.values(links)));
  const groups: T[][] = [];
  for (const target of targets) {
    const touching = groups.filter((group) => group.some((one) => isLinked(one, target)));
    for (const group of touching) groups.splice(groups.indexOf(group), 1);
    groups.push([...touching.flat(), target]);
  }
  const order = new Map(targets.map((target, i) => [target, i]));
  const positionOf = (target: T) => order.get(target) ?? 0;
  const firstOf = (group: readonly T[]) => Math.min(...group.map(positionOf));
  return groups
    .toSorted((a, b) => firstOf(a) - firstOf(b))
    .map((group) => {
      const sorted = group.toSorted((a, b) => positionOf(a) - positionOf(b));
      const [first, ...rest] = sorted.toSorted((a, b) => Number(used.has(a.name)) - Number(used.has(b.name)));
      if (!first) throw new Error('an empty group');
      return [first, ...rest] as const;
    });
}

function isLinked(a: Linked, b: Linked): boolean {
  return Object.values(a.links).includes(b.name) || Object.values(b.links).includes(a.name);
}
