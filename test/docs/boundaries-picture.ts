import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const ROOM = '^(packages|apps)/[^/]+';

/** The picture of who imports whom, as Mermaid, drawn by dependency-cruiser from the imports themselves; tests left out. */
export function boundariesPicture(): string {
  const depcruise = join(ROOT, 'node_modules/.bin/depcruise');
  const options = ['--config', '.dependency-cruiser.mjs', '--output-type', 'mermaid', '--include-only', ROOM];
  const picture = execFileSync(
    depcruise,
    [...options, '--exclude', String.raw`\.test\.ts$|/testing/`, '--collapse', ROOM, 'apps', 'packages'],
    { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  // Its order of arrows is that of the import lines, which no reader cares for.
  const lines = picture.trim().split('\n');
  const isArrow = (line: string) => line.includes('-->');
  const sorted = [...lines.filter((line) => !isArrow(line)), ...lines.filter(isArrow).sort()];
  return `\`\`\`mermaid\n${sorted.join('\n')}\n\`\`\``;
}
