import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';

/** An app in a process of its own, whose `start` is these lines of JavaScript; resolves once it has written `begun`. */
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

test('a signal ends a running app in order, with 0', async () => {
  const app = await begin(`const held = setInterval(() => {}, 1000);
    shutdown.add('held', () => { clearInterval(held); console.log('released'); });
    console.log('begun');
    return {};`);
  app.child.kill('SIGTERM');
  expect(await app.ended).toBe(0);
  expect(app.lines).toEqual(['begun', 'released']);
});

test('a signal ends an app that is still starting, and releases what it had', async () => {
  const app = await begin(
    `shutdown.add('x', () => console.log('released')); console.log('begun'); await forever(); return {};`,
  );
  app.child.kill('SIGTERM');
  expect(await app.ended).toBe(0);
  expect(app.lines).toEqual(['begun', 'released']);
});

test('what can’t be released holds nothing up: the app ends with 1', async () => {
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

test('an app that can’t go on ends with 1', async () => {
  const app = await begin(`console.log('begun'); return { failed: Promise.reject(new Error('no more')) };`);
  expect(await app.ended).toBe(1);
});
