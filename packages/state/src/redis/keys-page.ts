import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KeySpec } from './key-schema.ts';
import { KEY_GROUPS } from './keys.ts';

export const KEYS_PAGE = fileURLToPath(new URL('../../../../docs/develop/redis-keys.md', import.meta.url));

/** The page about Redis keys, in Markdown. */
export function keysPage(): string {
  const groups = Object.entries(KEY_GROUPS).map(
    ([title, keys]) => `## ${title}

| key | type | contents | expires |
| --- | --- | --- | --- |
${Object.values(keys).map(row).join('\n')}
`,
  );
  return `# Redis keys

<!-- Generated from packages/state/src/redis/keys.ts by \`npm run docs\`. Don't edit. -->

Every key begins with the pool's namespace in braces, \`{kiln}:\` by default (\`KILN_NAMESPACE\`), so that a cluster keeps all of them in
one slot. They are defined in \`packages/state/src/redis/keys.ts\`. Beside them, \`{kiln}:q:…\` are BullMQ's queues. A key without an expiry
stays until Kiln removes it.

${groups.join('\n')}`;
}

function row({ pattern, type, holds, expires = '' }: KeySpec): string {
  return `| \`${pattern}\` | ${type} | ${holds} | ${expires} |`;
}

if (import.meta.main) {
  mkdirSync(dirname(KEYS_PAGE), { recursive: true });
  writeFileSync(KEYS_PAGE, keysPage());
}
