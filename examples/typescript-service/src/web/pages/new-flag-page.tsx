import { type ReactNode, useState } from 'react';
import { type FlagDraft, flagDraftSchema, type Targeting } from '../../shared/flag.ts';
import { api } from '../api.ts';
import { ErrorNote } from '../components/error-note.tsx';
import { goTo } from '../route.ts';
import { useSubmit } from '../use-submit.ts';

const off: Targeting = {
  enabled: false,
  rules: [],
  fallthrough: { kind: 'fixed', variant: 'on' },
  offVariant: 'off',
};

export function NewFlagPage(): ReactNode {
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [tags, setTags] = useState('');
  const { error, busy, submit } = useSubmit();
  const draft: FlagDraft = {
    key: keyFrom(name),
    name,
    description,
    tags: tags.split(',').map(keyFrom).filter(Boolean),
    variants: [
      { key: 'on', value: true },
      { key: 'off', value: false },
    ],
    targeting: { development: off, staging: off, production: off },
  };
  const complete = flagDraftSchema.safeParse(draft).success;

  return (
    <form
      action={() =>
        submit(async () => {
          await api.saveFlag(draft, 0);
          goTo({ page: 'flag', key: draft.key });
        })
      }
    >
      <h2>New flag</h2>
      <label>
        Name <input required value={name} onChange={(event) => setName(event.target.value)} />
        <code>{draft.key}</code>
      </label>
      <label>
        Description
        <textarea value={description} onChange={(event) => setDescription(event.target.value)} />
      </label>
      <label>
        Tags, separated by commas <input value={tags} onChange={(event) => setTags(event.target.value)} />
      </label>
      <ErrorNote error={error} />
      <button type="submit" disabled={busy || !complete}>
        Create
      </button>
    </form>
  );
}

function keyFrom(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '');
}
