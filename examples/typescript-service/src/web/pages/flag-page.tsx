import { type ReactNode, useCallback, useState } from 'react';
import type { Environment, Flag, FlagDraft } from '../../shared/flag.ts';
import { api } from '../api.ts';
import { EnvironmentPicker } from '../components/environment-picker.tsx';
import { ErrorNote } from '../components/error-note.tsx';
import { TargetingEditor } from '../components/targeting-editor.tsx';
import { UsageChart } from '../components/usage-chart.tsx';
import { goTo } from '../route.ts';
import { useResource } from '../use-resource.ts';
import { useSubmit } from '../use-submit.ts';

export function FlagPage({ flagKey }: { flagKey: string }): ReactNode {
  const { value: flag, error } = useResource(useCallback(() => api.flag(flagKey), [flagKey]));
  if (flag === undefined) return <ErrorNote error={error} />;
  return (
    <>
      <h2>
        {flag.name} <code>{flag.key}</code>
      </h2>
      <p>{flag.description}</p>
      {/* A newer revision starts a fresh editor: a draft of an older one could not be saved anyway. */}
      <FlagEditor key={flag.revision} flag={flag} />
      <h3>Served, by hour</h3>
      <UsageChart flagKey={flagKey} />
    </>
  );
}

function FlagEditor({ flag }: { flag: Flag }): ReactNode {
  const [draft, setDraft] = useState<FlagDraft>(flag);
  const [environment, setEnvironment] = useState<Environment>('production');
  const { value: segments } = useResource(api.segments);
  const { error, busy, submit } = useSubmit();

  function remove(): void {
    if (!window.confirm(`Delete ${flag.name}?`)) return;
    void submit(async () => {
      await api.deleteFlag(flag.key);
      goTo({ page: 'flags' });
    });
  }

  return (
    <form action={() => submit(() => api.saveFlag(draft, flag.revision))}>
      <EnvironmentPicker value={environment} onChange={setEnvironment} />
      <TargetingEditor
        targeting={draft.targeting[environment]}
        variants={draft.variants}
        segments={segments ?? []}
        onChange={(targeting) => setDraft({ ...draft, targeting: { ...draft.targeting, [environment]: targeting } })}
      />
      <ErrorNote error={error} />
      <div className="row">
        <button type="submit" disabled={busy || draft === flag}>
          Save
        </button>
        <button type="button" disabled={busy} onClick={remove}>
          Delete
        </button>
      </div>
    </form>
  );
}
