// A container's health check: exits 0 where URL answers with success, else 1, and prints the answer.
// By node:http, which starts in half the time that fetch takes.
import { get } from 'node:http';

const [, , url] = process.argv;
get(url, { timeout: 10_000, agent: false }, (response) => {
  process.exitCode = response.statusCode === 200 ? 0 : 1;
  response.pipe(process.stdout);
})
  .on('timeout', function () {
    this.destroy(new Error('no answer within 10 s'));
  })
  .on('error', (error) => {
    process.stdout.write(`${url}: ${error.message}\n`);
    process.exitCode = 1;
  });
