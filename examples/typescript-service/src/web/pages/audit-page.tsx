import type { ReactNode } from 'react';
import { type ChangeKind, changedKey } from '../../shared/change.ts';
import { api } from '../api.ts';
import { ErrorNote } from '../components/error-note.tsx';
import { useResource } from '../use-resource.ts';

const verbs: Record<ChangeKind, string> = {
  flag_saved: 'saved flag',
  flag_deleted: 'deleted flag',
  segment_saved: 'saved segment',
  segment_deleted: 'deleted segment',
};

export function AuditPage(): ReactNode {
  const { value: changes, error } = useResource(api.audit);
  return (
    <>
      <ErrorNote error={error} />
      <ol className="changes">
        {(changes ?? []).map((change) => (
          <li key={change.sequence}>
            <time dateTime={change.at}>{new Date(change.at).toLocaleString()}</time> {change.actor} {verbs[change.kind]}{' '}
            <code>{changedKey(change)}</code>
          </li>
        ))}
      </ol>
    </>
  );
}
