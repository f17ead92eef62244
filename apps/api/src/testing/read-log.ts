import type { LogRecord } from '@kiln/contracts';
import { expect } from 'vitest';
import type { TestApi, TestAttempt } from './test-api.ts';

/** An output record; by default a line with an ANSI colour. */
export function output(n: number, data = `line ${n} \u001b[31mred\u001b[0m\n`): LogRecord {
  return { t: n, type: 'output', step: 1, stream: 'stdout', data };
}

/** Submits a build and starts it. */
export async function startedBuild(api: TestApi): Promise<{ id: string; attempt: TestAttempt }> {
  const { id } = await api.submit();
  return { id, attempt: await api.run(id) };
}

/** Ids and types of an event stream, in order, as `<id> <type>`. */
export async function eventsIn(answer: Response): Promise<string[]> {
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  return [...(await answer.text()).matchAll(/^id: (.*)\nevent: (.*)\ndata: (.*)\n\n/gm)].map(([, id, event, data]) => {
    const record = JSON.parse(data ?? '') as { id: string; type: string };
    expect(Object.keys(record)[0]).toBe('id');
    expect([record.id, record.type]).toEqual([id, event]);
    return `${id} ${event}`;
  });
}
