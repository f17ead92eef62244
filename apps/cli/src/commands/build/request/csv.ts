import { UsageError } from '../../../io/errors.ts';

/** Splits one CSV record like docker does for `--output` and `--secret`: at commas, with fields in double quotes (`""` for a quote). */
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

/** Parses `key=value` fields. Keys are in lower case. @throws UsageError for a field without `=` */
export function csvPairs(flag: string, text: string): Map<string, string> {
  return new Map(
    csvFields(flag, text).map((field) => {
      const at = field.indexOf('=');
      if (at < 1) throw new UsageError(`${flag} ${text}: got ${JSON.stringify(field)}, expected key=value`);
      return [field.slice(0, at).trim().toLowerCase(), field.slice(at + 1)];
    }),
  );
}
