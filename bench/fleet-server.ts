/**
 * An API server of workers that do not exist: `fleet-server.ts FOLDER NONCE` prints its port. The folder has what makeRecording
 * of place.ts has put there: the pods, and what each of them answers.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  clusterServer,
  type GetAnswer,
  ok,
  type Question,
  refused,
  SUCCESS,
} from '../test/support/cluster-server.ts';

const [folder = '', nonce = ''] = process.argv.slice(2);
interface Pod {
  readonly metadata: { readonly name: string; readonly namespace: string };
}

const list = JSON.parse(readFileSync(join(folder, 'pods.json'), 'utf8')) as {
  readonly items: readonly Pod[];
};
/** The answers to a list of pods, by its path. */
const podsOf = new Map<string, Buffer>();
for (const namespace of new Set(list.items.map(({ metadata }) => metadata.namespace))) {
  const items = list.items.filter(({ metadata }) => metadata.namespace === namespace);
  podsOf.set(`/api/v1/namespaces/${namespace}/pods`, Buffer.from(JSON.stringify({ ...list, items })));
}
/** What kubectl asks before anything else. */
const discovery: Readonly<Record<string, object>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [
      { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get', 'list', 'watch'] },
    ],
  },
};

function get({ path, query }: Question): GetAnswer {
  if (query.has('watch')) return { kind: 'stream', begin() {} };
  const pods = podsOf.get(path);
  if (pods !== undefined) return ok(pods);
  const pod = list.items.find(({ metadata }) => path.endsWith(`/${metadata.name}`));
  const found = pod ?? discovery[path];
  return found === undefined ? refused(404, 'NotFound', path) : ok(JSON.stringify(found));
}

const frame = readFileSync(join(folder, 'frame'), 'utf8');
const { port } = await clusterServer(
  {
    get,
    exec({ query }) {
      const answer = (asked: string) => ({ stdout: frame.replaceAll(nonce, asked) });
      const first = answer(query.getAll('command').find((word) => word.startsWith('=')) ?? '');
      if (query.has('stdin')) return { kind: 'running', ...first, reply: answer };
      return { kind: 'running', ...first, end: SUCCESS };
    },
  },
  0,
);
process.stdout.write(`${port}\n`);
