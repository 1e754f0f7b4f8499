/** How a worker is looked at: in the pod of the last time at once, while its pod is being looked up. */
import { describe, expect, it } from 'vitest';
import type { Context } from '../../scripts/lib/cli/command.ts';
import { observe } from '../../scripts/lib/health/observe.ts';
import { recallPod, rememberSeen } from '../../scripts/lib/worker/last-seen.ts';
import { createReach } from '../../scripts/lib/worker/observe.ts';
import {
  type ExecAnswer,
  type GetAnswer,
  ok,
  type Question,
  refused,
  SUCCESS,
} from '../support/cluster-server.ts';
import { makeFolder } from '../support/janitor.ts';
import { commandLine, WORKER as worker } from '../support/samples.ts';
import { NOW, pod, podList } from '../transport/cluster.ts';
import { connect } from '../transport/connect.ts';
import { snapshot } from '../worker/samples.ts';

const NOW_THERE = pod();
const BEFORE = pod({ suffix: 'older' });
const nameOf = ({ metadata }: ReturnType<typeof pod>) => metadata.name ?? '';

interface Cluster {
  /** What the list of pods says. */
  readonly get?: () => GetAnswer | Promise<GetAnswer>;
  /** What a pod answers; a whole answer by default. */
  readonly exec?: (pod: string) => ExecAnswer | Promise<ExecAnswer> | undefined;
}

/** A look at a worker. @param last the pod in which it was seen the last time, if it was */
async function look(
  last: ReturnType<typeof pod> | null,
  { get = () => ok(podList(NOW_THERE)), exec }: Cluster,
) {
  const entered: string[] = [];
  const { cluster, asked } = connect({
    get: ({ path }) => (path.endsWith('/pods') ? get() : refused(404, 'NotFound', 'none')),
    exec(asked) {
      const name = asked.path.split('/').at(-2) ?? '';
      entered.push(name);
      return exec?.(name) ?? whole(asked);
    },
  });
  const env = { ...cluster.env, HOME: await makeFolder('observe') };
  const context = { ...cluster, env, commandLine } as Partial<Context> as Context;
  if (last !== null) {
    const seen = { snapshot: snapshot({}), pod: { name: nameOf(last), container: 'worker' } };
    rememberSeen(env, worker, seen, NOW);
  }
  const reach = createReach(context, 5_000);
  const { status, snapshot: found } = await observe(reach, worker, 'brief', context, 5_000);
  const lists = asked().filter((request) => request.endsWith('/pods')).length;
  return { status, isSeen: found !== null, entered, lists, next: recallPod(env, worker)?.name };
}

/** An answer without a part. */
function whole({ query }: Question): ExecAnswer {
  const nonce = query.getAll('command').find((word) => word.startsWith('='));
  return { kind: 'running', stdout: `${nonce} rc=0 bytes=0\n`, end: SUCCESS };
}

const gone = () => refused(404, 'NotFound', 'pods "x" not found');

describe('a worker', () => {
  it('that is where it was is entered before its pod is known', async () => {
    let enter = () => {};
    const entered = new Promise<void>((resolve) => {
      enter = resolve;
    });
    const seen = await look(NOW_THERE, {
      get: () => entered.then(() => ok(podList(NOW_THERE))),
      exec: () => void enter(),
    });
    expect(seen).toMatchObject({ isSeen: true, entered: [nameOf(NOW_THERE)] });
  });

  it('that was never seen is entered when its pod is known, which is known from then on', async () => {
    expect(await look(null, {})).toMatchObject({
      isSeen: true,
      entered: [nameOf(NOW_THERE)],
      next: nameOf(NOW_THERE),
    });
  });

  it.each<[string, ExecAnswer | undefined]>([
    ['answers', undefined],
    ['is gone', gone()],
    ['does not answer', { kind: 'frozen' }],
  ])('that has another pod is what that one says, when the previous one %s', async (_, answer) => {
    const seen = await look(BEFORE, { exec: (name) => (name === nameOf(BEFORE) ? answer : undefined) });
    expect(seen).toMatchObject({
      isSeen: true,
      entered: [nameOf(BEFORE), nameOf(NOW_THERE)],
      next: nameOf(NOW_THERE),
    });
  });

  it('that is stopped is not what its last pod says', async () => {
    const seen = await look(BEFORE, { get: () => ok(podList()) });
    expect(seen).toMatchObject({ status: 'missing', isSeen: false, next: nameOf(BEFORE) });
  });

  it('whose pod answers wrongly is not asked a second time', async () => {
    const answer = { kind: 'running', stdout: 'nonsense\n', end: SUCCESS } as const;
    const seen = await look(NOW_THERE, { exec: () => answer });
    expect(seen).toMatchObject({ status: 'unreachable', entered: [nameOf(NOW_THERE)] });
  });

  it('whose container has just ended is looked up anew', async () => {
    const seen = await look(NOW_THERE, { exec: gone });
    expect(seen).toMatchObject({ entered: [nameOf(NOW_THERE), nameOf(NOW_THERE)], lists: 2 });
  });
});
