import { request } from 'node:http';
import { json } from 'node:stream/consumers';

const SOCKET = '/var/run/docker.sock';

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

function call(method: string, path: string, socketPath = SOCKET): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path }, (response) => {
      const status = response.statusCode ?? 0;
      if (status === 204) {
        response.resume();
        return resolve({ status, body: undefined });
      }
      json(response).then((body) => resolve({ status, body }), reject);
    });
    sent.once('error', reject).end();
  });
}

/** Whether the engine accepts requests. Costs far less than starting the docker command, in a loop that waits for it. */
export async function engineAnswers(socket: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const sent = request({ socketPath: socket, path: '/_ping' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    sent.once('error', () => resolve(false)).end();
  });
}

/** Lists the containers, running or not, of a worker. @param instance start of the worker's machine id */
export async function containersOf(instance: string, socket?: string): Promise<string[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`kiln.instance=${instance}`] }));
  const { body } = await call('GET', `/containers/json?all=true&filters=${filters}`, socket);
  return (body as { Names: string[] }[]).flatMap(({ Names }) => Names.map((name) => name.slice(1)));
}

export async function removeContainer(name: string, socket?: string): Promise<void> {
  await call('DELETE', `/containers/${name}?force=true&v=true`, socket);
}

/** Lists the containers and volumes of builders that a worker of this instance has made for single attempts. */
export async function freshBuildersOf(instance: string): Promise<string[]> {
  const names = encodeURIComponent(JSON.stringify({ name: [`^/buildx_buildkit_kilnfresh-.*-${instance}-`] }));
  const labels = encodeURIComponent(JSON.stringify({ label: [`kiln.instance=${instance}`, 'kiln.fresh'] }));
  const [containers, volumes] = await Promise.all([
    call('GET', `/containers/json?all=true&filters=${names}`),
    call('GET', `/volumes?filters=${labels}`),
  ]);
  return [
    ...(containers.body as { Names: string[] }[]).flatMap(({ Names }) => Names.map((name) => name.slice(1))),
    ...((volumes.body as { Volumes: { Name: string }[] | null }).Volumes ?? []).map(({ Name }) => Name),
  ];
}

/** Removes the builders that a worker of this instance created, with their caches: they outlive workers by design. */
export async function removeBuilders(instance: string): Promise<void> {
  const filters = encodeURIComponent(JSON.stringify({ name: [`^/buildx_buildkit_kiln(?:fresh)?-.*-${instance}-`] }));
  const { body } = await call('GET', `/containers/json?all=true&filters=${filters}`);
  for (const [name = ''] of (body as { Names: string[] }[]).map(({ Names }) => Names.map((one) => one.slice(1)))) {
    await removeContainer(name);
    await call('DELETE', `/volumes/${name}_state`);
  }
}
