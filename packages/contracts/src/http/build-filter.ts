import { BUILD_STATES, CREATOR_KINDS } from '@kiln/domain';
import { z } from 'zod';

/** What a list of builds can be narrowed to. */
export const buildFilter = {
  repo: z.string().min(1).max(1024).optional(),
  state: z.enum(BUILD_STATES).optional(),
  team: z.string().min(1).max(63).optional(),
  branch: z.string().min(1).max(256).optional().meta({
    description: 'The ref that was asked for, or its name without `refs/heads/` or `refs/tags/`.',
  }),
  trigger: z.enum(CREATOR_KINDS).optional().meta({ description: 'What kind of creator asked for the build.' }),
  host: z.string().min(1).max(255).optional().meta({ description: 'The host of the last attempt.' }),
  text: z.string().min(1).max(200).optional().meta({
    description: 'Found in its id, repo, ref, commit, creator, host, target or tags, in any case.',
  }),
} as const;

const filter = z.strictObject(buildFilter);
export type BuildFilter = z.output<typeof filter>;

/** What a filter looks at, as servers read it from a record and clients from a view. */
export interface BuildFacts {
  readonly id: string;
  readonly repo: string;
  readonly team: string;
  readonly state: string;
  readonly host?: string | undefined;
  readonly commit?: string | undefined;
  readonly createdBy?: { readonly kind: string; readonly name: string } | undefined;
  readonly request: {
    readonly source: { readonly type: string; readonly ref?: string | undefined };
    readonly target?: string | undefined;
    readonly tags: readonly string[];
  };
}

/** Returns whether a build is one of those that `filter` asks for. */
export function matchesFilter(build: BuildFacts, filter: BuildFilter): boolean {
  const { repo, state, team, branch, trigger, host, text } = filter;
  const { ref } = build.request.source;
  return (
    (repo === undefined || build.repo === repo) &&
    (state === undefined || build.state === state) &&
    (team === undefined || build.team === team) &&
    (branch === undefined || (ref !== undefined && (ref === branch || branchOf(ref) === branch))) &&
    (trigger === undefined || build.createdBy?.kind === trigger) &&
    (host === undefined || build.host === host) &&
    (text === undefined || hasText(build, text.toLowerCase()))
  );
}

/** The name of a branch or tag, without `refs/heads/` or `refs/tags/`. */
export function branchOf(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags)\//, '');
}

function hasText({ id, repo, host, commit, createdBy, request }: BuildFacts, text: string): boolean {
  return [id, repo, request.source.ref, commit, createdBy?.name, host, request.target, ...request.tags].some((one) =>
    one?.toLowerCase().includes(text),
  );
}
