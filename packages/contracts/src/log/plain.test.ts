import { expect, test } from 'vitest';
import { bytes, failureSentence, PlainRenderer, runText } from './plain.ts';
import type { LogRecord } from './record.ts';

function render(...records: LogRecord[]): string {
  const renderer = new PlainRenderer();
  return records.map((record) => renderer.render(record)).join('');
}

test('prints steps like docker buildx build --progress=plain, even if two steps alternate', () => {
  const text = render(
    { t: 0, type: 'note', message: 'attempt 1 on host h1' },
    { t: 0, type: 'step', step: 1, name: '[internal] load build definition', state: 'pending' },
    { t: 0, type: 'step', step: 2, name: '[a 2/2] RUN make', state: 'pending' },
    { t: 0, type: 'step', step: 1, name: '[internal] load build definition', state: 'cached' },
    { t: 1000, type: 'step', step: 2, name: '[a 2/2] RUN make', state: 'started' },
    { t: 1500, type: 'output', step: 2, stream: 'stdout', data: 'one\ntw' },
    { t: 1500, type: 'step', step: 3, name: '[b 2/2] RUN test', state: 'started' },
    { t: 1700, type: 'output', step: 3, stream: 'stderr', data: '\u001b[31mred\u001b[0m\r\n' },
    { t: 2250, type: 'output', step: 2, stream: 'stdout', data: 'o\nthree' },
    { t: 3000, type: 'step', step: 2, name: '[a 2/2] RUN make', state: 'completed', ms: 2000 },
    { t: 3000, type: 'end', state: 'succeeded' },
  );
  expect(text).toBe(`kiln: attempt 1 on host h1
#1 [internal] load build definition
#1 CACHED

#2 [a 2/2] RUN make
#2 0.500 one
#2 ...

#3 [b 2/2] RUN test
#3 0.200 \u001b[31mred\u001b[0m
#3 ...

#2 [a 2/2] RUN make
#2 0.500 two
#2 1.250 three
#2 DONE 2.0s

kiln: succeeded
`);
});

test('ends a failure with the Dockerfile’s lines and one sentence', () => {
  const failure = {
    code: 'step_failed',
    message: 'RUN false ended with 1',
    excerpt: 'Dockerfile:2\n   2 | >>> RUN false',
  } as const;
  const text = render(
    { t: 0, type: 'step', step: 1, name: 'RUN false', state: 'started' },
    { t: 0, type: 'output', step: 1, stream: 'stderr', data: 'last words' },
    { t: 9, type: 'step', step: 1, name: 'RUN false', state: 'failed', error: 'exit code: 1' },
    { t: 9, type: 'end', state: 'failed', failure },
  );
  expect(text).toBe(`#1 RUN false
#1 0.000 last words
#1 ERROR: exit code: 1

Dockerfile:2
   2 | >>> RUN false
kiln: failed: RUN false ended with 1 [step_failed]
`);
});

test('announces the next attempt after a lost one, and prints transfers once, when they are done', () => {
  const transfer = {
    t: 0,
    type: 'status',
    step: 1,
    name: 'pushing layers',
    current: 2_500_000,
    total: 2_500_000,
  } as const;
  const text = render(
    { t: 0, type: 'step', step: 1, name: 'exporting', state: 'started' },
    { ...transfer, current: 1, done: false },
    { ...transfer, done: true },
    { ...transfer, done: true },
    { t: 1, type: 'end', state: 'queued', failure: { code: 'host_lost', message: 'host h1 was lost' } },
  );
  expect(text).toBe(`#1 exporting
#1 pushing layers 2.50MB / 2.50MB done
#1 ...

kiln: attempt lost (host h1 was lost); the build is queued again
`);
});

test('prints sizes in powers of 1000', () => {
  expect([0, 999, 1_000, 12_340_000].map(bytes)).toEqual(['0B', '999B', '1.00kB', '12.34MB']);
});

test('keeps colours and no other control sequence, even if output is split across records', () => {
  const orders = '\u001b]52;c;c2g=\u0007\u001b[2J\u001b[31mred\u001b[0m\u009b1Aend';
  const begun: LogRecord = { t: 0, type: 'step', step: 1, name: 'a\u001b]0;t\u0007\nb', state: 'started' };
  const output = (data: string): LogRecord => ({ t: 0, type: 'output', step: 1, stream: 'stdout', data });
  const whole = render(begun, output(`${orders}\n`));
  expect(whole).toBe('#1 a b\n#1 0.000 \u001b[31mred\u001b[0mend\u001b[0m\n');
  for (let at = 1; at < orders.length; at += 1)
    expect(render(begun, output(orders.slice(0, at)), output(`${orders.slice(at)}\n`))).toBe(whole);
});

test('prints what a carriage return would have overwritten in separate lines', () => {
  const records: LogRecord[] = [
    { t: 0, type: 'step', step: 1, name: 'RUN npm ci', state: 'started' },
    { t: 0, type: 'output', step: 1, stream: 'stderr', data: '10%\r20%\r\n\n' },
  ];
  expect(render(...records)).toBe('#1 RUN npm ci\n#1 0.000 10%\n#1 0.000 20%\n#1 0.000 \n');
});

test.each<[Parameters<typeof runText>[0], string]>([
  [{ host: 'h1', ms: 12_340, steps: { total: 5, cached: 3 } }, ' in 12.3s on h1, 3 of 5 steps cached'],
  [{ host: 'h1', ms: 125_400 }, ' in 2m05s on h1'],
  [{}, ''],
])('says how a build went: %j', (run, text) => {
  expect(render({ t: 0, type: 'end', state: 'succeeded', ...run })).toBe(`kiln: succeeded${text}\n`);
  expect(runText(run)).toBe(text);
});

test.each([
  ['canceled', 'canceled', 'canceled', 'canceled'],
  ['canceled', 'canceled', 'canceled while queued', 'canceled while queued'],
  ['canceled', 'superseded', 'superseded by build x', 'canceled: superseded by build x [superseded]'],
  ['failed', 'build_failed', 'failedly', 'failed: failedly [build_failed]'],
] as const)('says %s by %s (%s) once', (state, code, message, text) => {
  expect(failureSentence(state, { code, message })).toBe(text);
});
