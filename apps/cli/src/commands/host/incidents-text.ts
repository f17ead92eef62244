import type { HostDetailView } from '@kiln/contracts';
import { type BuilderAction, type BuilderState, domainText } from '@kiln/domain';
import { age } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import { renderTable } from '../../io/table.ts';

const STATES: Readonly<Record<BuilderState, string>> = {
  snapshot_missing: 'snapshot missing',
  content_missing: 'content missing',
  record_corrupt: 'cache record corrupt',
  stuck: 'stuck',
  disk_full: 'disk full',
  out_of_memory: 'killed for memory',
  down: 'down',
};

const ACTIONS: Readonly<Record<BuilderAction, string>> = {
  retried: 'build run again',
  handed_back: 'build handed back',
  pruned: 'records pruned',
  restarted: 'daemon restarted',
  new_state: 'new state',
  quarantined: 'quarantined',
};

/** Lists what was wrong with the host's builders lately, the newest first. Empty if nothing was. */
export function incidentsText({ incidents = [] }: HostDetailView, { out, now }: Io): string {
  if (incidents.length === 0) return '';
  const at = now();
  const table = renderTable(
    [
      { title: 'INCIDENT', text: ({ state }) => STATES[state], min: 10 },
      { title: 'ACTION', text: ({ action }) => ACTIONS[action], min: 10 },
      { title: 'BUILDER', text: ({ domain }) => domainText(domain), min: 8, dispensable: 2 },
      { title: 'AGO', text: (row) => age(Date.parse(row.at), at), align: 'right' },
      { title: 'REASON', text: ({ message }) => message ?? '-', min: 20, dispensable: 1 },
    ],
    incidents.toReversed(),
    out,
  );
  return `\n${table}`;
}
