import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, ListMultipartUploadsCommand, type S3Client } from '@aws-sdk/client-s3';
import { freePort } from '@kiln/runtime/testing';
import { s3Client } from '../s3/s3-client.ts';
import { S3_LIMITS, type S3Options } from '../s3/s3-options.ts';

const ADDRESS = '127.0.0.1';
const START_MS = 60_000;

export interface TestS3Options {
  /** Serve HTTPS with this certificate and key, files in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A real S3 server for a test (moto), with one bucket in memory. Any credentials are accepted. */
export class TestS3 implements AsyncDisposable {
  readonly bucket = 'kiln-test';
  readonly endpoint: string;
  readonly credentials = { accessKeyId: 'test', secretAccessKey: 'test-secret' };
  readonly spoolDir: string;
  readonly #child: ChildProcess;
  readonly #ca: string | undefined;

  private constructor(child: ChildProcess, endpoint: string, dir: string, ca: string | undefined) {
    this.#ca = ca;
    this.#child = child;
    this.endpoint = endpoint;
    this.spoolDir = join(dir, 'spool');
  }

  static async start({ tls }: TestS3Options = {}): Promise<TestS3> {
    const port = await freePort();
    const dir = await mkdtemp(join(tmpdir(), 'kiln-s3-'));
    const secure = tls ? ['-c', tls.cert, '-k', tls.key] : [];
    const child = spawn('moto_server', ['-H', ADDRESS, '-p', `${port}`, ...secure], { stdio: 'ignore' });
    const s3 = new TestS3(
      child,
      `${tls ? 'https' : 'http'}://${ADDRESS}:${port}`,
      dir,
      tls && (await readFile(tls.cert, 'utf8')),
    );
    await s3.#whenUp(port);
    await s3.#client().send(new CreateBucketCommand({ Bucket: s3.bucket }));
    return s3;
  }

  /** Options for a store in the bucket. */
  options(prefix = ''): S3Options {
    const { bucket, endpoint, credentials, spoolDir } = this;
    return {
      bucket,
      prefix,
      endpoint,
      credentials,
      spoolDir,
      region: 'us-east-1',
      ...(this.#ca !== undefined && { ca: this.#ca }),
    };
  }

  /** The keys of uploads that are neither complete nor aborted. */
  async unfinished(): Promise<string[]> {
    const { Uploads = [] } = await this.#client().send(new ListMultipartUploadsCommand({ Bucket: this.bucket }));
    return Uploads.map(({ Key = '' }) => Key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
    await rm(join(this.spoolDir, '..'), { recursive: true, force: true });
  }

  #client(): S3Client {
    return s3Client(this.options(), S3_LIMITS);
  }

  async #whenUp(port: number): Promise<void> {
    const failed = once(this.#child, 'error').then(([error]) => {
      throw error;
    });
    const end = performance.now() + START_MS;
    while (!(await Promise.race([accepts(port), failed]))) {
      const { exitCode, signalCode } = this.#child;
      if (exitCode !== null || signalCode !== null) throw new Error(`moto_server ended with ${exitCode ?? signalCode}`);
      if (performance.now() > end) throw new Error(`moto_server doesn't answer within ${START_MS} ms`);
      await delay(20);
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, ADDRESS);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
