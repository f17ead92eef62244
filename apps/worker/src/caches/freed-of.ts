/** Returns the bytes that went with `records`. @param freed by record, from `Builder.prune` */
export function freedOf(records: readonly string[], freed: ReadonlyMap<string, number> | undefined): number {
  return records.reduce((sum, id) => sum + (freed?.get(id) ?? 0), 0);
}
