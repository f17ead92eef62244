import type { BuildFilter, BuildView } from '@kiln/contracts';
import { useEffect, useId, useRef, useState } from 'react';
import { isFiltered, STATES, TEXT_FIELDS, TRIGGERS, withField } from './filter.ts';

const LABELS = { text: 'Search', repo: 'Repo', branch: 'Branch', team: 'Team', host: 'Host' } as const;
const TRIGGER_NAMES = {
  credential: 'token or CI',
  person: 'person',
  webhook: 'webhook',
  schedule: 'schedule',
} as const;
/** Typing is over after this long, ms. */
const TYPING_MS = 300;

interface Props {
  readonly filter: BuildFilter;
  readonly onChange: (filter: BuildFilter) => void;
  /** Builds whose repos, branches, teams and hosts are offered. */
  readonly builds: readonly BuildView[];
}

/** The fields by which the list is narrowed. */
export function FilterBar({ filter, onChange, builds }: Props) {
  const id = useId();
  return (
    <search className="filters" aria-label="Filter builds">
      {TEXT_FIELDS.map((field) => (
        <TextField
          key={field}
          field={field}
          value={filter[field] ?? ''}
          offered={field === 'text' ? [] : offered(builds, field)}
          onChange={(value) => onChange(withField(filter, field, value))}
        />
      ))}
      <label htmlFor={`${id}-state`}>
        <span>State</span>
        <select
          id={`${id}-state`}
          value={filter.state ?? ''}
          onChange={(event) => onChange(withField(filter, 'state', event.target.value))}
        >
          <option value="">any</option>
          {STATES.map((state) => (
            <option key={state}>{state}</option>
          ))}
        </select>
      </label>
      <label htmlFor={`${id}-trigger`}>
        <span>Trigger</span>
        <select
          id={`${id}-trigger`}
          value={filter.trigger ?? ''}
          onChange={(event) => onChange(withField(filter, 'trigger', event.target.value))}
        >
          <option value="">any</option>
          {TRIGGERS.map((trigger) => (
            <option key={trigger} value={trigger}>
              {TRIGGER_NAMES[trigger]}
            </option>
          ))}
        </select>
      </label>
      <button type="button" className="button quiet" disabled={!isFiltered(filter)} onClick={() => onChange({})}>
        Clear
      </button>
    </search>
  );
}

function TextField({
  field,
  value,
  offered,
  onChange,
}: {
  readonly field: (typeof TEXT_FIELDS)[number];
  readonly value: string;
  readonly offered: readonly string[];
  readonly onChange: (value: string) => void;
}) {
  const id = useId();
  const [text, setText] = useState(value);
  const change = useRef(onChange);
  change.current = onChange;
  // The address may change otherwise, as by the browser's way back.
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text.trim() === value) return undefined;
    const timer = setTimeout(() => change.current(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, value]);
  return (
    <label htmlFor={id} className={field}>
      <span>{LABELS[field]}</span>
      <input
        id={id}
        type={field === 'text' ? 'search' : 'text'}
        value={text}
        list={offered.length > 0 ? `${id}-list` : undefined}
        data-shortcut={field === 'text' ? '/' : undefined}
        placeholder={field === 'text' ? 'id, commit, tag, name …' : 'any'}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
      />
      {offered.length > 0 && (
        <datalist id={`${id}-list`}>
          {offered.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
    </label>
  );
}

/** What the builds that are shown have in a field, without repeats. */
function offered(builds: readonly BuildView[], field: 'repo' | 'branch' | 'team' | 'host'): string[] {
  const all = builds.map((build) => {
    if (field !== 'branch') return build[field];
    const { source } = build.request;
    return source.type === 'git' ? source.ref : undefined;
  });
  return [...new Set(all.filter((one) => one !== undefined))].sort().slice(0, 100);
}
