import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Change } from '../../shared/change.ts';
import { Journal } from '../store/journal.ts';

async function journalPath(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flagpost-'));
  context.after(() => rm(directory, { recursive: true }));
  return join(directory, 'journal.jsonl');
}

function deletion(sequence: number): Change {
  return { sequence, at: '2026-01-01T00:00:00.000Z', actor: 'ada', kind: 'flag_deleted', key: `flag-${sequence}` };
}

test('what was appended is there after a restart, in order', async (context) => {
  const path = await journalPath(context);
  const first = await Journal.open(path);
  await Promise.all([1, 2, 3].map((sequence) => first.journal.append(deletion(sequence))));
  await first.journal.close();

  const second = await Journal.open(path);
  await second.journal.close();
  assert.deepEqual(second.changes, [1, 2, 3].map(deletion));
});

test('a line cut short by a crash is dropped, and appending goes on behind the last whole one', async (context) => {
  const path = await journalPath(context);
  const first = await Journal.open(path);
  await first.journal.append(deletion(1));
  await first.journal.close();
  await appendFile(path, '{"sequence":2,"at":"20');

  const second = await Journal.open(path);
  assert.deepEqual(second.changes, [deletion(1)]);
  await second.journal.append(deletion(2));
  await second.journal.close();
  assert.equal((await readFile(path, 'utf8')).trimEnd().split('\n').length, 2);
});
