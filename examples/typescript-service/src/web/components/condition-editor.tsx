import type { ReactNode } from 'react';
import { type Condition, type Operator, operators } from '../../shared/condition.ts';
import { replaceAt, withoutAt } from '../lists.ts';

export interface ConditionEditorProps {
  readonly conditions: readonly Condition[];
  readonly onChange: (conditions: Condition[]) => void;
}

const emptyCondition: Condition = { attribute: '', operator: 'equals', values: [''] };

export function ConditionEditor({ conditions, onChange }: ConditionEditorProps): ReactNode {
  return (
    <div className="conditions">
      {conditions.map((condition, index) => {
        const change = (part: Partial<Condition>) => onChange(replaceAt(conditions, index, { ...condition, ...part }));
        return (
          // Conditions have no identity but their place.
          <div key={index} className="row">
            <input
              aria-label="Attribute"
              placeholder="attribute"
              value={condition.attribute}
              onChange={(event) => change({ attribute: event.target.value })}
            />
            <select
              aria-label="Operator"
              value={condition.operator}
              onChange={(event) => change({ operator: event.target.value as Operator })}
            >
              {operators.map((operator) => (
                <option key={operator} value={operator}>
                  {operator.replaceAll('_', ' ')}
                </option>
              ))}
            </select>
            <input
              aria-label="Values, separated by commas"
              placeholder="one, two"
              value={condition.values.join(',')}
              onChange={(event) => change({ values: event.target.value.split(',').map((value) => value.trimStart()) })}
            />
            <button type="button" onClick={() => onChange(withoutAt(conditions, index))}>
              Remove
            </button>
          </div>
        );
      })}
      <button type="button" onClick={() => onChange([...conditions, emptyCondition])}>
        Add condition
      </button>
    </div>
  );
}
