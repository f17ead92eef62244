import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { pieces } from './testing/collect.ts';
import { climbingLinks, paxRecord, type RawHeader, rawPax, rawTar } from './testing/index.ts';
import { copyOut, type UnpackOptions, unpackTar } from './unpack-tar.ts';

let dir: string;
let root: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kiln-unpack-'));
  root = join(dir, 'a', 'root');
  mkdirSync(root, { recursive: true });
  writeFileSync(join(dir, 'outside'), 'untouched');
  mkdirSync(join(dir, 'elsewhere'));
  chmodSync(join(dir, 'elsewhere'), 0o711);
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
});

const unpack = (entries: readonly (RawHeader | Buffer)[], options?: UnpackOptions) =>
  unpackTar(pieces(rawTar(...entries), [1000]), root, options);
const directory = (name: string, mode = 0o755): RawHeader => ({ name, type: '5', mode });
const link = (name: string, target: string): RawHeader => ({ name, type: '2', target });
const modeOf = (path: string) => lstatSync(join(root, path)).mode & 0o7777;

/** Expects that nothing outside of the root has changed. */
function expectOutsideUntouched() {
  expect(readdirSync(dir).sort()).toEqual(['a', 'elsewhere', 'outside']);
  expect(readdirSync(join(dir, 'a'))).toEqual(['root']);
  expect(readFileSync(join(dir, 'outside'), 'utf8')).toBe('untouched');
  expect(readdirSync(join(dir, 'elsewhere'))).toEqual([]);
  expect(statSync(join(dir, 'elsewhere')).mode & 0o7777).toBe(0o711);
}

describe('unpackTar', () => {
  test('creates files, directories and links with their modes and times, also large files', async () => {
    const large = 'x'.repeat(700_000);
    await unpack([
      directory('d', 0o1777),
      rawPax([paxRecord('mtime', '1700000000.5')]),
      { name: 'd/f', content: 'one', mode: 0o664 },
      { name: 'd/set', content: 'two', mode: 0o6755 },
      { name: 'deep/er/large', content: large, mode: 0o600 },
      rawPax([paxRecord('mtime', '1600000000')]),
      link('l', '/usr/bin/python3'),
      link('up', '../../../../x'),
      { name: 'same', type: '1', target: 'd/f' },
      { name: 'linked', type: '1', target: 'l' },
      directory('closed', 0o555),
      { name: 'closed/f', content: 'in it' },
      rawPax([paxRecord('mtime', '1500000000')]),
      directory('closed', 0o500),
    ]);
    expect([modeOf('d'), modeOf('d/f'), modeOf('d/set'), modeOf('deep/er/large')]).toEqual([
      0o1777, 0o664, 0o6755, 0o600,
    ]);
    expect([modeOf('closed'), modeOf('deep'), modeOf('deep/er')]).toEqual([0o500, 0o755, 0o755]);
    expect(readFileSync(join(root, 'deep/er/large'), 'utf8')).toBe(large);
    expect(readFileSync(join(root, 'closed/f'), 'utf8')).toBe('in it');
    expect([readlinkSync(join(root, 'l')), readlinkSync(join(root, 'linked'))]).toEqual(
      Array(2).fill('/usr/bin/python3'),
    );
    expect(readlinkSync(join(root, 'up'))).toBe('../../../../x');
    expect(statSync(join(root, 'same')).ino).toBe(statSync(join(root, 'd/f')).ino);
    expect(statSync(join(root, 'd/f')).mtimeMs).toBe(1_700_000_000_500);
    expect([lstatSync(join(root, 'l')).mtimeMs, statSync(join(root, 'closed')).mtimeMs]).toEqual([1.6e12, 1.5e12]);
  });

  test('keeps the last of two entries, and hard links to the first', async () => {
    await unpack([
      { name: 'f', content: 'first' },
      { name: 'g', type: '1', target: 'f' },
      { name: './f', content: 'second' },
      link('l', 'f'),
      link('l', 'g'),
    ]);
    expect([readFileSync(join(root, 'f'), 'utf8'), readFileSync(join(root, 'g'), 'utf8')]).toEqual(['second', 'first']);
    expect(readlinkSync(join(root, 'l'))).toBe('g');
  });

  test.each<[string, RawHeader[]]>([
    ['a file below a link', [link('l', '../../elsewhere'), { name: 'l/x', content: 'x' }]],
    ['a directory that becomes a link', [directory('l'), link('l', '../../elsewhere'), { name: 'l/x', content: 'x' }]],
    ['a link that becomes a directory', [link('l', '../../elsewhere'), directory('l', 0o777)]],
    ['a file over a link', [link('l', '../../outside'), { name: 'l', content: 'x' }]],
    ['a hard link to the outside', [{ name: 'h', type: '1', target: '../../outside' }]],
    ['a hard link through a link', [link('l', '../..'), { name: 'h', type: '1', target: 'l/outside' }]],
    ['a name that climbs', [{ name: '../../outside', content: 'x' }]],
  ])('rejects %s, and changes nothing outside', async (_what, entries) => {
    await expect(unpack(entries)).rejects.toMatchObject({ code: 'tar_fault' });
    expectOutsideUntouched();
  });

  test.each([1, 2, 3])('creates a chain of links that leads %i directories up, and follows none', async (levels) => {
    await unpack([...climbingLinks(levels, 'outside'), directory('sub2', 0o700)]);
    expect(lstatSync(join(root, 'sub')).isSymbolicLink()).toBe(true);
    expectOutsideUntouched();
  });

  test('replaces existing links in the directory, and never follows one', async () => {
    const before = () => {
      rmSync(root, { recursive: true });
      mkdirSync(root);
      symlinkSync('../../elsewhere', join(root, 'l'));
      symlinkSync('../../outside', join(root, 'f'));
    };
    before();
    await unpack([directory('l', 0o777), { name: 'f', content: 'mine' }]);
    expect([lstatSync(join(root, 'l')).isDirectory(), readFileSync(join(root, 'f'), 'utf8')]).toEqual([true, 'mine']);
    expectOutsideUntouched();
    before();
    await expect(unpack([{ name: 'l/x', content: 'x' }])).rejects.toMatchObject({ code: 'not_a_directory', path: 'l' });
    await expect(unpack([{ name: 'f/x', content: 'x' }])).rejects.toMatchObject({ code: 'not_a_directory', path: 'f' });
    await expect(unpack([{ name: 'l/x/y', content: 'x' }])).rejects.toMatchObject({ code: 'not_a_directory' });
    expectOutsideUntouched();
  });

  test('does not follow a link that replaces a directory meanwhile', async () => {
    let swapped = false;
    async function* swapping() {
      const tar = rawTar(directory('d'), { name: 'd/one', content: '1' }, { name: 'd/two', content: '2' });
      yield tar.subarray(0, 1536);
      while (!existsSync(join(root, 'd', 'one'))) await new Promise(setImmediate);
      rmSync(join(root, 'd'), { recursive: true });
      symlinkSync('../../elsewhere', join(root, 'd'));
      swapped = true;
      yield tar.subarray(1536);
    }
    await unpackTar(swapping(), root).catch(() => undefined);
    expect(swapped).toBe(true);
    expectOutsideUntouched();
  });

  test('keeps only the mode bits of the mask', async () => {
    await unpack([{ name: 'f', mode: 0o6777 }, directory('d', 0o1777)], { modeMask: 0o777 });
    expect([modeOf('f'), modeOf('d')]).toEqual([0o777, 0o777]);
  });

  test('leaves the root as it is, or gives it the mode and time of its entry, last of all', async () => {
    const entries = [
      rawPax([paxRecord('mtime', '1700000000')]),
      directory('./', 0o1550),
      directory('d', 0o500),
      { name: 'd/f', content: 'x' },
      { name: 'g' },
    ];
    chmodSync(root, 0o751);
    await unpack(entries);
    expect(modeOf('.')).toBe(0o751);
    const made = join(root, 'made');
    await unpackTar(pieces(rawTar(...entries), [1000]), made, { stampRoot: true, modeMask: 0o777 });
    expect([modeOf('made'), statSync(made).mtimeMs, modeOf('made/d')]).toEqual([0o550, 1_700_000_000_000, 0o500]);
    const unnamed = join(root, 'unnamed');
    await unpackTar(pieces(rawTar({ name: 'f' }), [1000]), unnamed, { stampRoot: true });
    expect(modeOf('unnamed')).toBe(0o700);
  });

  test('unpacks trees that are deeper than the number of open directories', async () => {
    const deep = Array.from({ length: 100 }, (_, i) => `d${i}`).join('/');
    const names = (records: Record<string, string>) =>
      rawPax(Object.entries(records).map(([key, value]) => paxRecord(key, value)));
    await unpack([
      names({ path: `${deep}/f` }),
      { name: 'f', content: 'deep' },
      names({ linkpath: `${deep}/f` }),
      { name: 'g', type: '1' },
      names({ path: `e/${deep}/h`, linkpath: `${deep}/f` }),
      { name: 'h', type: '1' },
    ]);
    expect(readFileSync(join(root, 'e', deep, 'h'), 'utf8')).toBe('deep');
    expect(modeOf(`e/${deep}`)).toBe(0o755);
  });
});

test('copyOut copies a file, and follows no link', async () => {
  await unpack([{ name: 'd/f', content: 'text' }, link('l', 'd'), link('m', 'd/f')]);
  const copy = join(root, 'copy');
  await copyOut(root, 'd/f', copy);
  expect(readFileSync(copy, 'utf8')).toBe('text');
  await expect(copyOut(root, 'l/f', join(root, 'no'))).rejects.toMatchObject({ code: 'not_a_directory' });
  await expect(copyOut(root, 'm', join(root, 'no'))).rejects.toMatchObject({ code: 'ELOOP' });
});
