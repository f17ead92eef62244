import { type ReactNode, useCallback } from 'react';
import { Area, AreaChart, CartesianGrid, Legend, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import type { UsagePoint } from '../../shared/usage.ts';
import { api } from '../api.ts';
import { useResource } from '../use-resource.ts';
import { ErrorNote } from './error-note.tsx';

const colours = ['#2563eb', '#d97706', '#059669', '#dc2626', '#7c3aed', '#0891b2'];

export function UsageChart({ flagKey }: { flagKey: string }): ReactNode {
  const { value: points, error } = useResource(useCallback(() => api.usage(flagKey), [flagKey]));
  if (points === undefined) return <ErrorNote error={error} />;
  if (points.length === 0) return <p>Not evaluated yet.</p>;
  const variants = [...new Set(points.map((point) => point.variant))];
  return (
    <ResponsiveContainer width="100%" height={240}>
      <AreaChart data={byHour(points)}>
        <CartesianGrid strokeDasharray="3 3" />
        <XAxis dataKey="hour" tickFormatter={(hour: string) => hour.slice(11, 16)} />
        <YAxis allowDecimals={false} />
        <Tooltip />
        <Legend />
        {variants.map((variant, index) => {
          const colour = colours[index % colours.length] ?? 'currentColor';
          return <Area key={variant} dataKey={variant} stackId="all" stroke={colour} fill={colour} />;
        })}
      </AreaChart>
    </ResponsiveContainer>
  );
}

/** One row an hour with a column for each variant, as the chart wants it. */
function byHour(points: readonly UsagePoint[]): Record<string, string | number>[] {
  const rows = new Map<string, Record<string, string | number>>();
  for (const { hour, variant, count } of points) {
    rows.set(hour, { ...rows.get(hour), hour, [variant]: count });
  }
  return [...rows.values()];
}
