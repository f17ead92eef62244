/** The file with an entry for each version, below a heading `## X.Y.Z`, which may be followed by more words. */
export const CHANGELOG = 'docs/CHANGELOG.md';

/** Returns the text of a version's entry without its heading. Undefined if there is none, or it is empty. */
export function entryOf(changelog: string, version: string): string | undefined {
  const lines = changelog.split('\n');
  const start = lines.findIndex((line) => line === `## ${version}` || line.startsWith(`## ${version} `));
  if (start < 0) return undefined;
  const end = lines.findIndex((line, i) => i > start && line.startsWith('## '));
  const text = lines
    .slice(start + 1, end < 0 ? undefined : end)
    .join('\n')
    .trim();
  return text === '' ? undefined : text;
}
