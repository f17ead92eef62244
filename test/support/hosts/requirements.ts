import { run, succeeds } from './command.ts';

const TOOLS = {
  ip: 'iproute2',
  iptables: 'iptables',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  dockerd: 'docker.io',
  docker: 'docker-cli',
};

/** @throws Error that lists everything that this machine lacks to run hosts for tests */
export async function requireHosts(images: readonly string[]): Promise<void> {
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push('root (for network namespaces and a second Docker Engine)');
  for (const [tool, name] of Object.entries(TOOLS)) {
    if (!(await succeeds('sh', '-c', `command -v ${tool}`))) missing.push(`${tool} (Debian's package ${name})`);
  }
  for (const image of images) {
    if (!(await succeeds('docker', 'image', 'inspect', image))) missing.push(`the image ${image} (bash infra/setup)`);
  }
  if (missing.length === 0 && (await run('sysctl', '-n', 'net.ipv4.ip_forward')).trim() !== '1') {
    missing.push('net.ipv4.ip_forward=1, which a running Docker Engine sets');
  }
  if (missing.length > 0) throw new Error(`several hosts on one machine need:\n  - ${missing.join('\n  - ')}`);
}
