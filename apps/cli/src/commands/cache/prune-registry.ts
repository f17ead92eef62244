import type { CleanedReference } from '@kiln/contracts';
import { printList } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { durationSeconds } from '../build/request/values.ts';

export const pruneRegistryCommand = clientCommand(
  {
    name: 'cache prune-registry',
    synopsis: '',
    summary: 'Delete caches in registries that have not been used for a while',
    description:
      'Delete references in registries to which builds have exported caches and that no build has used for a while, of all teams for operators, otherwise of your own team. Exits with 1 if a registry did not delete one.',
    examples: ['kiln cache prune-registry --dry-run', 'kiln cache prune-registry --unused-for 30d'],
    operands: [0, 0],
    flags: {
      'unused-for': {
        kind: 'text',
        value: 'DURATION',
        help: 'Delete what no build has used for this long, such as 12h or 30d (default: as the server deletes by itself)',
      },
      team: { kind: 'text', value: 'NAME', help: "Only this team's references" },
      'dry-run': { kind: 'bool', help: 'Delete nothing, and show what would be deleted' },
    },
  },
  async ({ flags, client, io }) => {
    const unusedFor = flags['unused-for'];
    const { references, omitted } = await client.cleanRegistries({
      ...(unusedFor !== undefined && { unusedForSeconds: durationSeconds('--unused-for', unusedFor) }),
      ...(flags.team !== undefined && { team: flags.team }),
      ...(flags['dry-run'] && { dryRun: true }),
    });
    if (omitted > 0) io.err.line(`kiln: ${omitted} more references are unused; repeat the command`);
    await printList(io, flags, 'references', {
      name: ({ ref }) => ref,
      rows: references,
      columns: columns(io.now()),
      none: 'no unused references',
    });
    return references.some(({ result }) => result === 'failed' || result === 'unsupported') ? EXIT.notDone : EXIT.ok;
  },
);

function columns(now: number): Column<CleanedReference>[] {
  return [
    { title: 'REFERENCE', text: ({ ref }) => ref, min: 12 },
    { title: 'TEAM', text: ({ team }) => team, dispensable: 2 },
    { title: 'UNUSED', text: ({ usedAt }) => age(Date.parse(usedAt), now), dispensable: 1 },
    {
      title: 'RESULT',
      text: ({ result, detail }) => result.replaceAll('_', ' ') + (detail === undefined ? '' : `: ${detail}`),
      min: 12,
    },
  ];
}
