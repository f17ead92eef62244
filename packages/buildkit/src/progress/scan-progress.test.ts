import { expect, test } from 'vitest';
import { ProgressScanner, type ScannedItem } from './scan-progress.ts';

const STATUS = { vertexes: [{ digest: 'sha256:1', name: 'RUN echo "}{" \\ "é日本🙂"' }] };
const PRETTY = JSON.stringify(STATUS, null, 2);
const TEXT = [
  'WARNING: before',
  PRETTY,
  JSON.stringify(STATUS),
  '',
  'Dockerfile:3',
  '   3 | >>> RUN exit 3 # é',
  `${JSON.stringify(STATUS)}${JSON.stringify(STATUS)}`,
  'ERROR: failed to solve: no newline at the end 🙂',
].join('\n');

const EXPECTED: ScannedItem[] = [
  { type: 'line', text: 'WARNING: before' },
  { type: 'status', value: STATUS },
  { type: 'status', value: STATUS },
  { type: 'line', text: 'Dockerfile:3' },
  { type: 'line', text: '   3 | >>> RUN exit 3 # é' },
  { type: 'status', value: STATUS },
  { type: 'status', value: STATUS },
  { type: 'line', text: 'ERROR: failed to solve: no newline at the end 🙂' },
];

function scan(bytes: Buffer, chunkBytes: number): ScannedItem[] {
  const scanner = new ProgressScanner();
  const items: ScannedItem[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes)
    items.push(...scanner.push(bytes.subarray(at, at + chunkBytes)));
  return [...items, ...scanner.end()];
}

test('finds objects and lines wherever the chunks are split, also within a character', () => {
  const bytes = Buffer.from(TEXT);
  for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes++) {
    expect(scan(bytes, chunkBytes)).toEqual(EXPECTED);
  }
});

test('returns a line that only begins like an object as a line, and finds the next object', () => {
  const text = `{ not json\n${PRETTY}\n{"a": "unclosed\nline\n${PRETTY}\n{bad}\n`;
  expect(scan(Buffer.from(text), 7)).toEqual([
    { type: 'line', text: '{ not json' },
    { type: 'status', value: STATUS },
    { type: 'line', text: '{"a": "unclosed' },
    { type: 'line', text: 'line' },
    { type: 'status', value: STATUS },
    { type: 'line', text: '{bad}' },
  ]);
});

test('returns an incomplete object at the end as lines', () => {
  expect(scan(Buffer.from('{\n  "vertexes": ['), 4)).toEqual([
    { type: 'line', text: '{' },
    { type: 'line', text: '  "vertexes": [' },
  ]);
});

test('limits the length of lines and objects, and continues after too long ones', () => {
  const scanner = new ProgressScanner();
  const megabyte = Buffer.alloc(1024 * 1024, 'x');
  const items: ScannedItem[] = [];
  for (let i = 0; i < 3; i++) items.push(...scanner.push(megabyte));
  items.push(...scanner.push(Buffer.from('\n{"logs":"')));
  for (let i = 0; i < 40; i++) items.push(...scanner.push(megabyte));
  items.push(...scanner.push(Buffer.from(`"}\n${JSON.stringify(STATUS)}\n`)));
  expect(items.map((item) => (item.type === 'line' ? { ...item, text: item.text.length } : item))).toEqual([
    { type: 'line', text: 64 * 1024 + 1 },
    { type: 'dropped', bytes: 40 * 1024 * 1024 + '{"logs":""}'.length },
    { type: 'status', value: STATUS },
  ]);
});
