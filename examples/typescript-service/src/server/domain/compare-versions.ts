/**
 * Orders dotted versions by their numbers: negative if `a` comes first, 0 if equal, undefined if either isn't one.
 * A missing part counts as 0; a suffix after a dash sorts before the release itself.
 */
export function compareVersions(a: string, b: string): number | undefined {
  const left = parse(a);
  const right = parse(b);
  if (left === undefined || right === undefined) return undefined;
  for (let index = 0; index < Math.max(left.parts.length, right.parts.length); index += 1) {
    const difference = (left.parts[index] ?? 0) - (right.parts[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(right.prerelease) - Number(left.prerelease);
}

function parse(version: string): { parts: number[]; prerelease: boolean } | undefined {
  const match = /^v?(\d+(?:\.\d+)*)(-.+)?$/.exec(version.trim());
  if (match?.[1] === undefined) return undefined;
  return { parts: match[1].split('.').map(Number), prerelease: match[2] !== undefined };
}
