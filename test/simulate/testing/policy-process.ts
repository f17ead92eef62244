import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PolicyDecision } from '../protocol/events.ts';

const POLICY = fileURLToPath(new URL('../policy', import.meta.url));

/** Kiln's policy as others run it: a process that is spoken to through its stdin and stdout. */
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
    // Who was refused closes its end: what is still written then goes nowhere.
    this.#child.stdin.on('error', () => {});
  }

  send(...lines: readonly (object | string)[]): void {
    for (const line of lines) this.#child.stdin.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
  }

  /** Sends the question, and awaits the one line that answers it. */
  async ask(t: number): Promise<PolicyDecision> {
    this.send({ type: 'decide', t });
    return JSON.parse(await this.#line());
  }

  /** All lines of stdout, from here on, until the process ends; closes its stdin first. */
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
