import { type ReactNode, useState } from 'react';
import { type Evaluation, type Reason, subjectSchema } from '../../shared/evaluation.ts';
import type { Environment } from '../../shared/flag.ts';
import { api } from '../api.ts';
import { EnvironmentPicker } from '../components/environment-picker.tsx';
import { ErrorNote } from '../components/error-note.tsx';
import { useSubmit } from '../use-submit.ts';

/** Shows what a made-up subject would get, and why. */
export function PlaygroundPage(): ReactNode {
  const [environment, setEnvironment] = useState<Environment>('production');
  const [key, setKey] = useState('user-1');
  const [attributes, setAttributes] = useState('{ "plan": "team" }');
  const [evaluations, setEvaluations] = useState<Evaluation[]>();
  const { error, busy, submit } = useSubmit();

  async function run(): Promise<void> {
    const subject = subjectSchema.parse({ key, attributes: JSON.parse(attributes) });
    setEvaluations(await api.evaluate({ environment, subject }));
  }

  return (
    <>
      <form action={() => submit(run)}>
        <EnvironmentPicker value={environment} onChange={setEnvironment} />
        <label>
          Key <input required value={key} onChange={(event) => setKey(event.target.value)} />
        </label>
        <label>
          Attributes (JSON)
          <textarea value={attributes} onChange={(event) => setAttributes(event.target.value)} />
        </label>
        <button type="submit" disabled={busy}>
          Evaluate
        </button>
        <ErrorNote error={error} />
      </form>
      {evaluations !== undefined && (
        <table>
          <thead>
            <tr>
              <th>Flag</th>
              <th>Variant</th>
              <th>Value</th>
              <th>Because</th>
            </tr>
          </thead>
          <tbody>
            {evaluations.map((evaluation) => (
              <tr key={evaluation.flag}>
                <td>{evaluation.flag}</td>
                <td>{evaluation.variant}</td>
                <td>
                  <code>{JSON.stringify(evaluation.value)}</code>
                </td>
                <td>{explain(evaluation.reason)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function explain(reason: Reason): string {
  switch (reason.kind) {
    case 'off':
      return 'the flag is off';
    case 'fallthrough':
      return 'no rule applies';
    case 'rule':
      return `rule ${reason.index + 1} applies`;
  }
}
