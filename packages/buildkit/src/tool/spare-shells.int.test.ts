import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type LoneTool, startLoneTool } from '../testing/lone-tool.ts';
import { SHELL_CHECK, type ShellCommand, SpareShells } from './spare-shells.ts';
import type { ToolContainer } from './tool-container.ts';
import type { ToolProcess } from './tool-process.ts';
import { ROOT } from './tool-user.ts';

const TIMEOUT_MS = 60_000;

let lone: LoneTool;
let tool: ToolContainer;
beforeAll(async () => {
  lone = await startLoneTool();
  tool = lone.tool;
});
afterAll(() => lone[Symbol.asyncDispose]());

const spares: SpareShells[] = [];
afterEach(() => {
  for (const spare of spares.splice(0)) spare.drop();
});

/** Spare shells, and those that were started so far. @param check succeeds if the container can have them */
function newSpare(check: readonly string[] = SHELL_CHECK) {
  const started: ToolProcess[] = [];
  const spare = new SpareShells(async (argv) => {
    const isCheck = argv === SHELL_CHECK;
    const process = await tool.start({ argv: isCheck ? check : argv, user: ROOT, stdin: true });
    if (!isCheck) started.push(process);
    return process;
  }, 0);
  spares.push(spare);
  return { spare, started };
}

/** Takes a shell as soon as one waits. */
async function taken(spare: SpareShells, command: ShellCommand): Promise<ToolProcess> {
  return await vi.waitFor(() => {
    const shell = spare.take(command);
    if (!shell) throw new Error('no shell waits');
    return shell;
  }, TIMEOUT_MS);
}

/** Prints everything in which a process may differ, and ends with 3. */
const FACTS = `printf '%s|' "$0" "$@" "$VALUE" "$EMPTY" "$HOME" "$PATH" "$PWD" "$(id)" "$(umask)" "$(wc -c)" "$(grep -E '^(Cap|NoNewPrivs|Groups)' /proc/self/status)"
echo problem >&2
exit 3`;
const VALUE = `'"; exit 1; $(id) \`id\` \\ \n # é %s \t`;

test('a waiting shell becomes exactly the process that the engine would have made', async () => {
  const { spare } = newSpare();
  const command = {
    argv: ['/bin/sh', '-c', FACTS, VALUE, '', '-n', '$HOME'],
    env: [`VALUE=${VALUE}`, 'EMPTY=', 'HOME=/a=b'],
    user: '70001:70002',
  };
  expect(spare.take(command)).toBeUndefined();
  const shell = await taken(spare, command);
  // `tool` has no shell waiting for commands with a standard input.
  const plain = await tool.start({ ...command, stdin: true });
  plain.endInput();
  const expected = await plain.capture(TIMEOUT_MS);
  expect(await shell.capture(TIMEOUT_MS)).toEqual(expected);
  expect(expected).toMatchObject({ exitCode: 3, stdout: expect.stringContaining(VALUE), stderr: 'problem\n' });
  expect(expected.stdout).toContain('uid=70001 gid=70002');
});

test('a waiting shell becomes a command with a standard input, of which it keeps nothing', async () => {
  const { spare } = newSpare();
  const command = { argv: ['/bin/sh', '-c', 'id -u; exec cat'], env: ['A=b'], user: '70001:70001', stdin: true };
  const input = `exit 9\n${'not for a shell\n'.repeat(10_000)}`;
  for (let round = 1; round <= 3; round += 1) {
    const shell = await taken(spare, command);
    const output = shell.hasPrinted().then(async () => {
      const captured = shell.capture(TIMEOUT_MS);
      await shell.send(Buffer.from(input));
      shell.endInput();
      return await captured;
    });
    expect(await output).toEqual({ exitCode: 0, stdout: `\n70001\n${input}`, stderr: '' });
  }
});

test('a shell that cannot become a command with a standard input ends, and says why', async () => {
  const { spare } = newSpare();
  const shell = await taken(spare, { argv: ['/no/such/program'], env: [], user: '70001:70001', stdin: true });
  await shell.hasPrinted();
  expect(await shell.capture(TIMEOUT_MS)).toMatchObject({
    exitCode: 127,
    stderr: expect.stringMatching(/No such file/),
  });
});

test('another shell waits once one was taken', async () => {
  const { spare } = newSpare();
  const command = { argv: ['id', '-u'], env: [], user: '70001:70001' };
  for (let round = 1; round <= 5; round += 1) {
    const shell = await taken(spare, command);
    expect((await shell.capture(TIMEOUT_MS)).stdout).toBe('70001\n');
  }
});

test('a shell that was killed isn’t used', async () => {
  const { spare, started } = newSpare();
  spare.prepare();
  await expect.poll(() => started.length).toBe(2);
  // As the watchdog does.
  await tool.signal(['/bin/sh', '-c', 'kill -s KILL -- -1']);
  await expect.poll(() => started.filter(({ isOpen }) => isOpen)).toEqual([]);
  expect(spare.take({ argv: ['id'], env: [], user: '70001:70001' })).toBeUndefined();
});

test.each([['exit 1'], ['exit 127'], ['kill -s KILL $$']])(
  'no shell waits in a container in which the check does `%s`, however often one is wanted',
  async (script) => {
    const { spare, started } = newSpare(['/bin/sh', '-c', script]);
    spare.prepare();
    await expect.poll(() => spare.isAble).toBe(false);
    expect(spare.take({ argv: ['id'], env: [], user: '70001:70001' })).toBeUndefined();
    // The time in which a shell would have been started.
    await tool.capture(['true'], TIMEOUT_MS);
    expect(started).toEqual([]);
  },
);

test('a closed container is not recreated by what still uses it', async () => {
  await using closed = await startLoneTool();
  await closed.tool.close();
  await expect(closed.tool.capture(['true'], TIMEOUT_MS)).rejects.toThrow('the tool container is closed');
});

test('a container that is being made while it is closed does not stay', async () => {
  await using closed = await startLoneTool();
  const made = closed.tool.recreate();
  await setImmediate();
  await closed.tool.close();
  await made;
  await expect(closed.tool.signal(['true'])).rejects.toThrow('No such container');
  await expect(closed.tool.recreate()).rejects.toThrow('the tool container is closed');
});
