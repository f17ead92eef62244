import { hasEnded } from '@kiln/client';
import { type BuildView, bytes, failureSentence } from '@kiln/contracts';
import { OUTPUT_FLAGS, printOne } from '../../framework/print.ts';
import { age, duration } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import { fieldLines } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { resolveId } from './build-id.ts';
import { waitingText } from './placement-text.ts';

export const showCommand = clientCommand(
  {
    name: 'builds show',
    synopsis: 'ID',
    summary: 'Show a build: its state, what it builds, and what it made',
    examples: ['kiln builds show 00aaaaaa', 'kiln builds show -o yaml 00aaaaaa'],
    operands: [1, 1],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, operands, io }) => {
    const build = await client.get(await resolveId(client, operands[0] ?? ''));
    return printOne(io, flags, { value: build, name: build.id, text: () => fieldLines(buildFields(build, io)) });
  },
);

type Field = readonly [label: string, value: string];

function buildFields(build: BuildView, { now }: Io): Field[] {
  const { id, state, repo, team, trust, createdBy, commit, attempts, host, steps, result, failure, waiting } = build;
  const { tags, source } = build.request;
  const fields: (Field | undefined)[] = [
    ['id', id],
    ['state', failure && hasEnded(build) ? failureSentence(state, failure) : state],
    waiting && ['waiting', waitingText(waiting)],
    ['repo', repo],
    ['team', trust === 'trusted' ? team : `${team} (${trust})`],
    createdBy && ['by', createdBy.name],
    source.type === 'git' ? ['source', `${source.url}${source.ref === undefined ? '' : `#${source.ref}`}`] : undefined,
    commit === undefined ? undefined : ['commit', commit],
    ['created', `${build.createdAt} (${age(Date.parse(build.createdAt), now())} ago)`],
    build.durationMs === undefined ? undefined : ['took', duration(build.durationMs)],
    host === undefined ? undefined : ['host', attempts.length > 1 ? `${host} (attempt ${attempts.length})` : host],
    steps && ['steps', `${steps.total}, ${steps.cached} cached`],
    ...tags.map((tag): Field => ['tag', tag]),
    result?.digest === undefined ? undefined : ['digest', result.digest],
    result?.imageBytes === undefined ? undefined : ['size', bytes(result.imageBytes)],
  ];
  return fields.filter((field) => field !== undefined);
}
