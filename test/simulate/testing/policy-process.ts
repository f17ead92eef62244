import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PolicyDecision } from '../protocol/events.ts';

const POLICY = fileURLToPath(new URL('../policy', import.meta.url));

/** Kiln's policy as a process with the line protocol on its stdin and stdout. */
export class PolicyProcess implements AsyncDisposable {
  readonly #child = spawn('bash', [POLICY], { stdio: ['pipe', 'pipe', 'pipe'] });
  readonly #ended = once(this.#child, 'close');
  #stdout = '';
  #stderr = '';
  #more = Promise.withResolvers<void>();

  constructor() {
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#tellMore();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#child.on('close', () => this.#tellMore());
    // A process that has refused a line closes its stdin; later writes are dropped.
    this.#child.stdin.on('error', () => {});
  }

  send(...lines: readonly (object | string)[]): void {
    for (const line of lines) this.#child.stdin.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
  }

  /** Sends the question and awaits its one-line answer. */
  async ask(t: number): Promise<PolicyDecision> {
    this.send({ type: 'decide', t });
    return JSON.parse(await this.#line());
  }

  /** Closes stdin and awaits the exit. Returns the code and what was left on stdout and stderr. */
  async finish(): Promise<{ code: number | null; stdout: string; stderr: string }> {
    this.#child.stdin.end();
    const [code] = await this.#ended;
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#stdout.indexOf('\n');
      if (end >= 0) {
        const line = this.#stdout.slice(0, end);
        this.#stdout = this.#stdout.slice(end + 1);
        return line;
      }
      if (this.#child.exitCode !== null) throw new Error(`the policy has ended: ${this.#stderr}`);
      await this.#more.promise;
    }
  }

  #tellMore(): void {
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }
}
