import { expect, test } from 'vitest';
import { hanging } from '../support/dockerfiles.ts';
import { expectWhole, outputOf } from '../support/logs.ts';
import { sharedPool } from '../support/pool/start-pool.ts';
import { scenario } from '../support/scenario/scenario.ts';
import type { Story } from '../support/scenario/story.ts';

const thePool = sharedPool(() => ({ apis: 2, slots: 1 }));

test('a newer build of the same key stops the running one and cancels the waiting one, even if its API is killed', async () => {
  const older = { concurrencyKey: 'main', supersede: 'queued' } as const;
  const superseded = (story: Story) => ({
    ...{ state: 'canceled', supersededBy: story.build('newest').id, failure: { code: 'superseded' } },
  });
  await scenario(thePool())
    .hang('running', older)
    .submit('waiting', older)
    .submit('newest', { concurrencyKey: 'main', supersede: 'running' })
    .kill('api', '1')
    .expectEnd('running', (story) => ({ ...superseded(story), attempts: [{ number: 1, end: 'canceled' }] }))
    .expectEnd('waiting', (story) => ({ ...superseded(story), attempts: [] }))
    .expectEnd('newest', { state: 'succeeded', attempts: [{ number: 1 }] })
    .expectStopped('running')
    .run();
});

test('two callers share one run: when the caller that started it cancels, the other one gets its log and its result', async () => {
  const shared = { name: 'shared', dedupe: true };
  await scenario(thePool())
    .hang('first', shared)
    .submit('second', (story) => ({ ...shared, dockerfile: hanging(story.hanging('first').seconds) }))
    .step('expect the second to share the run', async ({ build }) => {
      expect(build('second')).toMatchObject({ state: 'queued', sharedRun: build('first').id });
    })
    .step('cancel the first', async ({ pool, build }) => {
      const canceled = await pool.client.cancel(build('first').id);
      expect(canceled).toMatchObject({ confirmed: true, build: { state: 'running', releasedAt: expect.any(String) } });
    })
    .follow('second')
    .release('first')
    .expectEnd('second', (story) => ({ state: 'succeeded', attempts: [], sharedRun: story.build('first').id }))
    .step('expect the whole log of one run', async ({ pool, build, followed }) => {
      const { ended, records } = followed('second');
      await ended;
      expectWhole(records, 1);
      expect(outputOf(records)).toContain('released');
      expect((await pool.client.get(build('first').id)).attempts).toHaveLength(1);
    })
    .step('expect no key of the shared run to be left', async ({ pool }) => {
      const { redis, keys } = await pool.state();
      const left = await redis.keys(`${keys.prefix}*`);
      expect(left.filter((key) => /:(?:share|interest|due|concurrency)\b/.test(key))).toEqual([]);
    })
    .run();
});
