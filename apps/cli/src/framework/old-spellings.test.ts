import { describe, expect, it } from 'vitest';
import { withFakeApi } from '../testing/with-fake-api.ts';
import { respell } from './old-spellings.ts';

const cli = withFakeApi();
const ID = '01kaqz6w5h0123456789abcdef';

describe('respell', () => {
  it.each([
    ['hosts', 'host ls'],
    ['hosts --json', 'host ls --json'],
    ['hosts --url http://k.example', 'host ls --url http://k.example'],
    ['hosts --json build-01', 'host show --json build-01'],
    ['hosts --cheapest-to-lose', 'host ls --cheapest-to-lose'],
    ['host remove a b', 'host rm a b'],
    ['limits', 'limit show'],
    ['limits --json', 'limit show --json'],
    ['limits set web --running 8', 'limit set web --running 8'],
    ['deliveries -n 1', 'delivery ls -n 1'],
    [`delivery ${ID}`, `delivery show ${ID}`],
    [`delivery --redeliver ${ID}`, `delivery redeliver ${ID}`],
    ['token revoke x', 'token rm x'],
    ['registry login -u a r.example', 'registry set -u a r.example'],
    ['registry logout r.example', 'registry rm r.example'],
    ['cache set-mode app fresh', 'cache-mode set app fresh'],
    ['cache save app', 'snapshot create app'],
    ['cache remove-snapshot x', 'snapshot rm x'],
  ])('spells kiln %s as kiln %s', (old, now) => {
    expect(respell(old.split(' '))?.argv.join(' ')).toBe(now);
  });

  it.each(['ps', 'host ls', 'host', 'delivery', 'delivery ls', `delivery show ${ID}x`, 'cache ls', 'build hosts', ''])(
    'leaves kiln %s as it is',
    (line) => {
      expect(respell(line.split(' '))).toBeUndefined();
    },
  );
});

describe('a spelling of the previous version', () => {
  it('works, and says once on standard error what replaced it', async () => {
    const now = await cli.run('host ls --json');
    const old = await cli.run('hosts --json');
    expect(old).toEqual({
      ...now,
      err: 'kiln: `kiln hosts` is now `kiln host ls`; the old spelling works until the next version\n',
    });
  });

  it('is answered in help with the page of what replaced it', async () => {
    const { code, out, err } = await cli.run('help hosts');
    expect([code, out]).toEqual([0, expect.stringContaining('Usage: kiln host ls')]);
    expect(err.match(/old spelling/g)).toHaveLength(1);
  });
});
