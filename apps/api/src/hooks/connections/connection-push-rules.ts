import type { BuildSpec } from '@kiln/contracts';
import { type PushRule, splitReference } from '@kiln/domain';
import { foreignSource, mayPushUntrusted } from '@kiln/forges';
import type { HookDeps } from '../ports.ts';

/**
 * The rules by which connections let an untrusted build push its tags: those of the build's team that clone from where its source is.
 * As connections are now, not as they were when an earlier build of the same request was accepted.
 */
export async function connectionPushRules(
  { team, source, tags }: Pick<BuildSpec, 'team' | 'source' | 'tags'>,
  connections: Pick<HookDeps['connections'], 'list'>,
): Promise<PushRule[]> {
  if (source.type !== 'git') return [];
  const own = (await connections.list()).filter((connection) => connection.team === team);
  const settings = own.flatMap((connection) =>
    connection.repositories.filter((one) => foreignSource(source.url, connection, one) === undefined),
  );
  return pushRules(tags.filter((tag) => settings.some((one) => mayPushUntrusted(tag, one))));
}

/** Rules that allow just these image references, with any tag. */
export function pushRules(references: readonly string[]): PushRule[] {
  return references.map((reference) => ({ pattern: splitReference(reference).name }));
}
