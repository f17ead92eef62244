import type { ReactNode } from 'react';
import type { Rule, Targeting, Variant } from '../../shared/flag.ts';
import type { Segment } from '../../shared/segment.ts';
import { replaceAt, withoutAt } from '../lists.ts';
import { ConditionEditor } from './condition-editor.tsx';
import { ServeEditor } from './serve-editor.tsx';

export interface TargetingEditorProps {
  readonly targeting: Targeting;
  readonly variants: readonly Variant[];
  readonly segments: readonly Segment[];
  readonly onChange: (targeting: Targeting) => void;
}

export function TargetingEditor({ targeting, variants, segments, onChange }: TargetingEditorProps): ReactNode {
  const change = (part: Partial<Targeting>) => onChange({ ...targeting, ...part });
  const newRule: Rule = { segment: null, conditions: [], serve: targeting.fallthrough };
  return (
    <section className="targeting">
      <label>
        <input
          type="checkbox"
          checked={targeting.enabled}
          onChange={(event) => change({ enabled: event.target.checked })}
        />
        On
      </label>
      <label>
        While off, serve
        <select value={targeting.offVariant} onChange={(event) => change({ offVariant: event.target.value })}>
          {variants.map((variant) => (
            <option key={variant.key}>{variant.key}</option>
          ))}
        </select>
      </label>
      <ol>
        {targeting.rules.map((rule, index) => (
          // Rules have no identity but their place.
          <li key={index}>
            <RuleEditor
              rule={rule}
              variants={variants}
              segments={segments}
              onChange={(changed) => change({ rules: replaceAt(targeting.rules, index, changed) })}
              onRemove={() => change({ rules: withoutAt(targeting.rules, index) })}
            />
          </li>
        ))}
      </ol>
      <button type="button" onClick={() => change({ rules: [...targeting.rules, newRule] })}>
        Add rule
      </button>
      <h3>Everybody else</h3>
      <ServeEditor
        serve={targeting.fallthrough}
        variants={variants}
        onChange={(fallthrough) => change({ fallthrough })}
      />
    </section>
  );
}

interface RuleEditorProps {
  readonly rule: Rule;
  readonly variants: readonly Variant[];
  readonly segments: readonly Segment[];
  readonly onChange: (rule: Rule) => void;
  readonly onRemove: () => void;
}

function RuleEditor({ rule, variants, segments, onChange, onRemove }: RuleEditorProps): ReactNode {
  return (
    <fieldset>
      <label>
        Segment
        <select
          value={rule.segment ?? ''}
          onChange={(event) => onChange({ ...rule, segment: event.target.value || null })}
        >
          <option value="">anybody</option>
          {segments.map((segment) => (
            <option key={segment.key} value={segment.key}>
              {segment.name}
            </option>
          ))}
        </select>
      </label>
      <ConditionEditor
        conditions={rule.conditions}
        onChange={(conditions) => onChange({ ...rule, conditions })}
      />
      <ServeEditor serve={rule.serve} variants={variants} onChange={(serve) => onChange({ ...rule, serve })} />
      <button type="button" onClick={onRemove}>
        Remove rule
      </button>
    </fieldset>
  );
}
