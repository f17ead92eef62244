import type { ReactNode } from 'react';
import { fullWeight, type Serve, type Variant } from '../../shared/flag.ts';
import { replaceAt } from '../lists.ts';

export interface ServeEditorProps {
  readonly serve: Serve;
  readonly variants: readonly Variant[];
  readonly onChange: (serve: Serve) => void;
}

/** Either one variant for all, or a share for each. */
export function ServeEditor({ serve, variants, onChange }: ServeEditorProps): ReactNode {
  return (
    <div className="serve">
      <select
        aria-label="Serve"
        value={serve.kind === 'fixed' ? serve.variant : ''}
        onChange={(event) => onChange(fromChoice(event.target.value, variants))}
      >
        {variants.map((variant) => (
          <option key={variant.key} value={variant.key}>
            {variant.key}
          </option>
        ))}
        <option value="">a share each</option>
      </select>
      {serve.kind === 'split' && <ShareEditor serve={serve} onChange={onChange} />}
    </div>
  );
}

interface ShareEditorProps {
  readonly serve: Extract<Serve, { kind: 'split' }>;
  readonly onChange: (serve: Serve) => void;
}

function ShareEditor({ serve, onChange }: ShareEditorProps): ReactNode {
  return (
    <>
      {serve.shares.map((share, index) => (
        <label key={share.variant}>
          {share.variant}
          <input
            type="number"
            min={0}
            max={100}
            step={0.01}
            value={(share.weight * 100) / fullWeight}
            onChange={(event) => {
              const weight = Math.round((event.target.valueAsNumber * fullWeight) / 100);
              onChange({ ...serve, shares: replaceAt(serve.shares, index, { ...share, weight }) });
            }}
          />
          %
        </label>
      ))}
      <label>
        by
        <input value={serve.by} onChange={(event) => onChange({ ...serve, by: event.target.value })} />
      </label>
    </>
  );
}

function fromChoice(choice: string, variants: readonly Variant[]): Serve {
  if (choice !== '') return { kind: 'fixed', variant: choice };
  const even = Math.floor(fullWeight / variants.length);
  const remainder = fullWeight - even * variants.length;
  return {
    kind: 'split',
    by: 'key',
    shares: variants.map((variant, index) => ({
      variant: variant.key,
      weight: index === 0 ? even + remainder : even,
    })),
  };
}
