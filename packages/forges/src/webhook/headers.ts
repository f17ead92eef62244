/** Headers as Node has them: names in lower case; repeated ones are a list, or joined with commas. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The value of a header, unless it was sent more than once. `name` is in lower case. */
export function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The id of a delivery, the same in all its repeats; undefined if it is missing or malformed. */
export function idFrom(headers: Headers, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const id = header(headers, name)?.replace(/^\{(.*)\}$/, '$1');
    if (id !== undefined && /^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$/.test(id)) return id;
  }
  return undefined;
}
