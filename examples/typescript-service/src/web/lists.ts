export function replaceAt<T>(list: readonly T[], index: number, item: T): T[] {
  return list.map((current, position) => (position === index ? item : current));
}

export function withoutAt<T>(list: readonly T[], index: number): T[] {
  return list.filter((_, position) => position !== index);
}
