import { UsageError } from '../../../io/errors.ts';

/** Splits one CSV record as docker does for `--output` and `--secret`: commas, and fields in double quotes (`""` for a quote). */
export function csvFields(flag: string, text: string): string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  while (field.lastIndex < text.length || fields.length === 0) {
    const match = field.exec(text);
    if (!match) throw new UsageError(`${flag} ${text}: unbalanced quotes`);
    fields.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    if (match[3] === '') return fields;
  }
  return fields;
}

/** `key=value` fields by their key, in lower case. Throws `UsageError` at a field without `=`. */
export function csvPairs(flag: string, text: string): Map<string, string> {
  return new Map(
    csvFields(flag, text).map((field) => {
      const at = field.indexOf('=');
      if (at < 1) throw new UsageError(`${flag} ${text}: ${JSON.stringify(field)} must be key=value`);
      return [field.slice(0, at).trim().toLowerCase(), field.slice(at + 1)];
    }),
  );
}
