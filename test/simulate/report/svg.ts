import type { Trace } from '../trace/trace.ts';
import { BOUND, type CaseResult } from './run-case.ts';

const WIDTH = 960;
const HEIGHT = 460;
const LEFT = 70;
const RIGHT = 170;
const TOP = 50;
const BOTTOM = 46;
/** Distinguishable without colour vision (the palette of Okabe and Ito); dashed from the eighth line on. */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#000000'];

/** Draws the distribution of the time to finish: the share of builds that finished within a time on a log scale, a line for each policy. */
export function finishChart(trace: Trace, results: readonly CaseResult[]): string {
  const curves = results.map(({ policy, outcomes }) => ({
    policy,
    times: outcomes
      .filter(({ build }) => build.submitted >= trace.measureFrom)
      .map(({ build, finishedAt }) => Math.max(1, finishedAt - build.submitted))
      .sort((a, b) => a - b),
  }));
  const most = Math.max(60, ...curves.map(({ times }) => times.at(-1) ?? 0));
  const least = Math.max(1, Math.min(...curves.map(({ times }) => times[0] ?? 1)));
  const x = (seconds: number) =>
    LEFT + ((Math.log(seconds) - Math.log(least)) / (Math.log(most) - Math.log(least))) * (WIDTH - LEFT - RIGHT);
  const y = (share: number) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const lines = curves.map(({ policy, times }, i) => {
    const points = Array.from({ length: 201 }, (_, k) => {
      const at = Math.min(times.length - 1, Math.round((k / 200) * (times.length - 1)));
      return `${x(times[at] ?? 1).toFixed(1)},${y((at + 1) / times.length).toFixed(1)}`;
    });
    const style = `stroke="${colour(i)}" stroke-width="${policy === 'kiln' ? 3 : 1.6}"${dash(policy, i)}`;
    return `<polyline fill="none" ${style} points="${points.join(' ')}"/>`;
  });
  const legend = curves.map(({ policy, times }, i) => {
    const at = TOP + 16 * i;
    const mean = times.reduce((sum, time) => sum + time, 0) / Math.max(1, times.length);
    return `<line x1="${WIDTH - RIGHT + 12}" x2="${WIDTH - RIGHT + 36}" y1="${at}" y2="${at}" stroke="${colour(i)}" stroke-width="${policy === 'kiln' ? 3 : 1.6}"${dash(policy, i)}/><text x="${WIDTH - RIGHT + 42}" y="${at + 4}">${escaped(policy)}, mean ${label(mean)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${LEFT}" y="24" font-size="15">${escaped(`Share of builds that had finished, by time since submission: ${trace.name}`)}</text>
${grid(least, most, x, y).join('\n')}
${lines.join('\n')}
${legend.join('\n')}
</svg>
`;
}

function grid(least: number, most: number, x: (s: number) => number, y: (share: number) => number): string[] {
  const marks = [1, 10, 30, 60, 300, 900, 3_600, 4 * 3_600, 12 * 3_600, 48 * 3_600, 168 * 3_600];
  return [
    ...[0, 0.25, 0.5, 0.75, 0.95, 1].map(
      (share) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(share)}" y2="${y(share)}" stroke="#ddd"/><text x="${LEFT - 8}" y="${y(share) + 4}" text-anchor="end">${Math.round(share * 100)} %</text>`,
    ),
    ...marks
      .filter((seconds) => seconds >= least && seconds <= most)
      .map(
        (seconds) =>
          `<line x1="${x(seconds)}" x2="${x(seconds)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="#ddd"/><text x="${x(seconds)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${label(seconds)}</text>`,
      ),
  ];
}

function colour(i: number): string {
  return COLOURS[i % COLOURS.length] as string;
}

function dash(policy: string, i: number): string {
  if (policy === BOUND) return ' stroke-dasharray="2 3"';
  return i >= COLOURS.length ? ' stroke-dasharray="7 4"' : '';
}

function label(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  return seconds < 3_600 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3_600).toFixed(1).replace('.0', '')} h`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
