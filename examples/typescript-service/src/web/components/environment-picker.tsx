import type { ReactNode } from 'react';
import { type Environment, environments } from '../../shared/flag.ts';

export interface EnvironmentPickerProps {
  readonly value: Environment;
  readonly onChange: (environment: Environment) => void;
}

export function EnvironmentPicker({ value, onChange }: EnvironmentPickerProps): ReactNode {
  return (
    <div className="picker" role="group" aria-label="Environment">
      {environments.map((environment) => (
        <button
          key={environment}
          type="button"
          aria-pressed={environment === value}
          onClick={() => onChange(environment)}
        >
          {environment}
        </button>
      ))}
    </div>
  );
}
