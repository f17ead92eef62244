import { type ReactNode, useState } from 'react';
import type { Segment, SegmentDraft } from '../../shared/segment.ts';
import { api } from '../api.ts';
import { ConditionEditor } from '../components/condition-editor.tsx';
import { ErrorNote } from '../components/error-note.tsx';
import { useResource } from '../use-resource.ts';
import { useSubmit } from '../use-submit.ts';

const emptySegment: Segment = { key: '', name: '', conditions: [], revision: 0, updatedAt: '' };

export function SegmentsPage(): ReactNode {
  const { value: segments, error } = useResource(api.segments);
  return (
    <>
      <ErrorNote error={error} />
      {(segments ?? []).map((segment) => (
        <SegmentEditor key={`${segment.key} ${segment.revision}`} segment={segment} />
      ))}
      <h3>New segment</h3>
      <SegmentEditor key={segments?.length} segment={emptySegment} />
    </>
  );
}

function SegmentEditor({ segment }: { segment: Segment }): ReactNode {
  const [draft, setDraft] = useState<SegmentDraft>(segment);
  const { error, busy, submit } = useSubmit();
  const isNew = segment.revision === 0;
  return (
    <form className="segment" action={() => submit(() => api.saveSegment(draft, segment.revision))}>
      <div className="row">
        <label>
          Key
          <input
            required
            readOnly={!isNew}
            value={draft.key}
            onChange={(event) => setDraft({ ...draft, key: event.target.value })}
          />
        </label>
        <label>
          Name
          <input required value={draft.name} onChange={(event) => setDraft({ ...draft, name: event.target.value })} />
        </label>
      </div>
      <ConditionEditor
        conditions={draft.conditions}
        onChange={(conditions) => setDraft({ ...draft, conditions })}
      />
      <ErrorNote error={error} />
      <div className="row">
        <button type="submit" disabled={busy || draft === segment}>
          Save
        </button>
        {!isNew && (
          <button type="button" disabled={busy} onClick={() => submit(() => api.deleteSegment(segment.key))}>
            Delete
          </button>
        )}
      </div>
    </form>
  );
}
