import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../../shared/change.ts';
import type { Rule } from '../../shared/flag.ts';
import { NotFound, RevisionConflict, SegmentInUse } from '../errors.ts';
import { Catalog } from '../store/catalog.ts';
import { flagDraft } from './support/fixtures.ts';

const now = () => new Date('2026-01-01T12:00:00Z');
const forStaff: Rule = { segment: 'staff', conditions: [], serve: { kind: 'fixed', variant: 'on' } };
const staff = {
  key: 'staff',
  name: 'Staff',
  conditions: [{ attribute: 'email', operator: 'ends_with' as const, values: ['@example.com'] }],
};

function catalogWithLog(): { catalog: Catalog; written: Change[] } {
  const written: Change[] = [];
  const journal = {
    append: async (change: Change) => {
      written.push(change);
    },
  };
  return { catalog: new Catalog(journal, [], now), written };
}

const by = (actor: string, expectedRevision = 0) => ({ actor, expectedRevision });

test('a replayed journal gives the same catalog', async () => {
  const { catalog, written } = catalogWithLog();
  await catalog.saveSegment(staff, by('ada'));
  await catalog.saveFlag(flagDraft({}, { rules: [forStaff] }), by('ada'));
  await catalog.saveFlag(flagDraft({ key: 'short-lived' }), by('bob'));
  await catalog.deleteFlag('short-lived', 'bob');

  const replayed = new Catalog({ append: async () => undefined }, written, now);
  assert.deepEqual(replayed.flags(), catalog.flags());
  assert.deepEqual(replayed.segments(), catalog.segments());
  assert.deepEqual(
    replayed.changesBefore(Number.MAX_SAFE_INTEGER, 2).map((change) => [change.kind, change.actor]),
    [
      ['flag_deleted', 'bob'],
      ['flag_saved', 'bob'],
    ],
  );
});

test('of two changes to the same revision only one is made', async () => {
  const { catalog } = catalogWithLog();
  await catalog.saveFlag(flagDraft(), by('ada'));
  const results = await Promise.allSettled([
    catalog.saveFlag(flagDraft({ name: 'First' }), by('ada', 1)),
    catalog.saveFlag(flagDraft({ name: 'Second' }), by('bob', 1)),
  ]);
  assert.deepEqual(
    results.map((result) => result.status),
    ['fulfilled', 'rejected'],
  );
  await assert.rejects(catalog.saveFlag(flagDraft(), by('bob', 1)), RevisionConflict);
  assert.equal(catalog.flag('new-checkout').name, 'First');
});

test('a change that could not be written was not made', async () => {
  const journal = { append: () => Promise.reject(new Error('disk full')) };
  const catalog = new Catalog(journal, [], now);
  await assert.rejects(catalog.saveFlag(flagDraft(), by('ada')), /disk full/);
  assert.deepEqual(catalog.flags(), []);
});

test('a segment lives as long as a flag uses it', async () => {
  const { catalog } = catalogWithLog();
  const draft = flagDraft({}, { rules: [forStaff] });
  await assert.rejects(catalog.saveFlag(draft, by('ada')), NotFound);
  await catalog.saveSegment(staff, by('ada'));
  await catalog.saveFlag(draft, by('ada'));
  await assert.rejects(catalog.deleteSegment('staff', 'ada'), SegmentInUse);
  await catalog.deleteFlag(draft.key, 'ada');
  await catalog.deleteSegment('staff', 'ada');
  assert.deepEqual(catalog.segments(), []);
});
