/**
 * Loaded into a process before its program (`--import`): writes when it started and the marks of its performance timeline, as JSON, into the file that
 * KILN_BENCH_MARKS names, when it exits. Times in ms since the epoch. In JavaScript, because stripping types would take longer than the start that it measures.
 */
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const at = performance.timeOrigin;
  const marks = performance.getEntriesByType('mark').map(({ name, startTime }) => [name, at + startTime]);
  writeFileSync(process.env.KILN_BENCH_MARKS ?? '', JSON.stringify(marks));
});
