import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';

/** Starts an app in a process of its own, with these lines of JavaScript as `start`. Resolves when it has written `begun`. */
async function begin(start: string) {
  const runtime = new URL('./index.ts', import.meta.url).href;
  const program = `import { runApp } from ${JSON.stringify(runtime)};
    const forever = () => new Promise((resolve) => setTimeout(resolve, 2 ** 30));
    await runApp('app', 'info', async ({ shutdown }) => { ${start} });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  await once(reader, 'line');
  return { child, lines, ended: once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string) };
}

test('a signal makes a running app release everything and exit with 0', async () => {
  const app = await begin(`const held = setInterval(() => {}, 1000);
    shutdown.add('held', () => { clearInterval(held); console.log('released'); });
    console.log('begun');
    return {};`);
  app.child.kill('SIGTERM');
  expect(await app.ended).toBe(0);
  expect(app.lines).toEqual(['begun', 'released']);
});

test('a signal makes a starting app release what it has and exit with 0', async () => {
  const app = await begin(
    `shutdown.add('x', () => console.log('released')); console.log('begun'); await forever(); return {};`,
  );
  app.child.kill('SIGTERM');
  expect(await app.ended).toBe(0);
  expect(app.lines).toEqual(['begun', 'released']);
});

test('an app whose release hangs exits with 1 after its time limit', async () => {
  const app = await begin(
    `shutdown.add('x', () => console.log('released'));
    setInterval(() => {}, 1000);
    shutdown.add('stuck', forever, 10);
    console.log('begun');
    return {};`,
  );
  app.child.kill('SIGTERM');
  expect(await app.ended).toBe(1);
  expect(app.lines).toEqual(['begun', 'released']);
});

test('an app that fails exits with 1', async () => {
  const app = await begin(`console.log('begun'); return { failed: Promise.reject(new Error('no more')) };`);
  expect(await app.ended).toBe(1);
});
