import { describe, expect, test } from 'vitest';
import { SMALL, trace } from '../testing/small-trace.ts';
import { makeTrace } from '../trace/make-trace.ts';
import type { Metrics } from './metrics.ts';
import { BOUND, runCase } from './run-case.ts';
import { finishChart } from './svg.ts';
import { caseTable, SUITE_FIGURES, type SuiteRow, suiteTable, waitTable } from './tables.ts';

const made = makeTrace({ ...SMALL, hours: 4, teams: { a: 1, b: 1 } }, 1);
const results = runCase(made, ['kiln', 'delay-60'], 1, true);

describe('the report of one trace', () => {
  test('gives the bound first, then the policies in the given order, each with all builds', () => {
    expect(results.map(({ policy }) => policy)).toEqual([BOUND, 'kiln', 'delay-60']);
    const measured = made.builds.filter(({ submitted }) => submitted >= made.measureFrom).length;
    for (const { metrics, outcomes } of results) {
      expect(metrics.builds).toBe(measured);
      expect(outcomes).toHaveLength(made.builds.length);
    }
    expect(() => runCase(made, ['nobody'], 1, true)).toThrow(/no policy nobody/);
  });

  test('has a line for each policy, the bound at 1.00, and a column for teams if there are any', () => {
    const [head = '', bound = '', ...others] = caseTable(results).split('\n');
    expect(head).toContain('team ÷ team');
    expect(bound.trim()).toMatch(/^pooled-bound .* 1\.00 +1\.00 +\d/);
    expect(others.map((line) => line.trim().split(' ')[0])).toEqual(['kiln', 'delay-60']);
    expect(caseTable(runCase(makeTrace({ ...SMALL, hours: 3 }, 1), ['kiln'], 1, true))).not.toContain('team ÷ team');
  });

  test('draws a line for each policy in well-formed XML', () => {
    const svg = finishChart({ ...made, name: '<odd & "name">' }, results);
    expect(svg.match(/<polyline /g)).toHaveLength(3);
    expect(svg).toContain('&#60;odd &#38; &#34;name&#34;&#62;');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    // Tags must be nested.
    const open: string[] = [];
    for (const [, end, name = '', alone] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
      if (end) expect(open.pop()).toBe(name);
      else if (!alone) open.push(name);
    }
    expect(open).toEqual([]);
  });

  test('draws curves that rise from left to right', () => {
    for (const [, points = ''] of finishChart(made, results).matchAll(/points="([^"]+)"/g)) {
      const curve = points.split(' ').map((point) => point.split(',').map(Number) as [number, number]);
      for (const [i, [x, y]] of curve.entries()) {
        const [before, above] = curve[i - 1] ?? [x, y];
        expect(x).toBeGreaterThanOrEqual(before);
        expect(y).toBeLessThanOrEqual(above);
      }
    }
  });
});

describe('the suite', () => {
  const metrics = (meanFinish: number, longestWait: number): Metrics => ({
    ...{ builds: 1, warmShare: 0.5, staleShare: 0, coldShare: 0.5, meanFinish, p50Finish: 1, p95Finish: meanFinish },
    ...{ meanWait: 1, p95Wait: 1, longestWait, starved: 0, unfairness: 1 },
  });
  const rows: SuiteRow[] = [
    {
      scenario: 'one',
      byPolicy: new Map([
        [BOUND, [metrics(10, 60), metrics(20, 120)]],
        ['kiln', [metrics(20, 600), metrics(20, 300)]],
      ]),
    },
  ];

  test('gives ratios to the bound as geometric means over the seeds', () => {
    const [mean, p95, warm] = SUITE_FIGURES.map((figure) => suiteTable(rows, ['kiln'], figure));
    expect(mean?.split('\n')).toEqual([expect.stringMatching(/ one$/), expect.stringMatching(/^ {2}kiln +1\.41$/)]);
    expect(p95).toContain('1.41');
    expect(warm).toContain('50 %');
  });

  test('gives the longest wait over the seeds beside the bound’s', () => {
    expect(
      waitTable(rows, ['kiln'])
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/ +/)),
    ).toEqual([
      [BOUND, '2'],
      ['kiln', '10'],
    ]);
  });
});

test('Kiln meets the bound of a trace in which nothing waits', () => {
  const alone = trace([{ ...made.builds[0], submitted: 0 } as (typeof made.builds)[number]], { hosts: made.hosts });
  const [bound, kiln] = runCase(alone, ['kiln'], 1, true);
  expect(kiln?.metrics).toEqual(bound?.metrics);
});
