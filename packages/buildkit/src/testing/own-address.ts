import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';

/** An address of this machine that containers reach, and nothing else uses. */
export class OwnAddress implements Disposable {
  readonly address = `10.97.${randomInt(1, 255)}.${randomInt(1, 255)}`;

  constructor() {
    execFileSync('ip', ['addr', 'add', `${this.address}/32`, 'dev', 'lo']);
  }

  [Symbol.dispose](): void {
    execFileSync('ip', ['addr', 'del', `${this.address}/32`, 'dev', 'lo']);
  }
}
