/** `queue move` on a worker by hand: no row is lost and none is doubled, wherever it is cut off. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { dispatch } from '../../scripts/dispatch.ts';
import { queue } from '../../scripts/queue.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type Outcome, run } from '../support/run-command.ts';

/** The changes of a move at which it is killed. */
const CUTS = [
  ...[1, 2, 3, 4, 5, 6].map((at) => [at, 'before'] as const),
  ...[2, 4, 6].map((at) => [at, 'after'] as const),
];

describe.each(['a', 'b'] as const)('dialect %s', (dialect) => {
  let worker: HandWorker;
  beforeAll(async () => {
    worker = await handWorker({ dialect });
  });
  afterEach(() => worker.reset());
  afterAll(() => worker.remove());

  const type = (...args: string[]): Promise<Outcome> => run(queue, ['w', ...args], { env: worker.laptop });

  /** Rows as dispatches would have added them, in one call. */
  function fill(...issues: number[]): Promise<string> {
    const flags = (issue: number) =>
      dialect === 'a' ? '' : `--config pipeline.yaml ${issue === 24 ? '--depends-on 21' : ''}`;
    const lines = issues.map(
      (issue) =>
        `factory queue add ${issue} ${flags(issue)} --intent $'it\\'s "${issue}"\\nand more' && echo '{"issue":${issue},"project":"demo","at":"","by":"t"}' >>"$WORKER_STATE_DIR/dispatch.jsonl"`,
    );
    return worker.bash(`cd "$WORKER_REPOS_DIR/demo"\n${lines.join('\n')}`);
  }

  const order = async () =>
    (await worker.queue()).filter(({ status }) => status === 'pending').map(({ issue }) => issue);

  it('the rows have their intents, dependencies and configuration as before', async () => {
    await fill(21, 22, 23, 24);
    await worker.bash("factory queue set-intent 22 ''");
    const before = await worker.queue();
    expect(await type('move', '#24', '--top')).toMatchObject({
      code: 0,
      stdout: 'demo#24 comes next, before demo#21\n',
    });
    expect(await order()).toEqual([24, 21, 22, 23]);
    const known = ({ issue, intent, dependsOn, configPath, namespace }: (typeof before)[number]) => ({
      issue,
      intent,
      dependsOn,
      configPath,
      namespace,
    });
    const after = (await worker.queue()).map(known).sort((a, b) => a.issue - b.issue);
    expect(after).toEqual(before.map(known));
    expect(await type('move', 'demo#23', '--before', 'demo#21')).toMatchObject({ code: 0 });
    expect(await order()).toEqual([24, 23, 21, 22]);
    expect((await type('move', '24', '--top')).stdout).toBe('demo#24 comes next, before demo#23 already\n');
    expect((await worker.lines('operators.jsonl')).map(({ what }) => what)).toEqual([
      'queue move 24',
      'queue move 23',
    ]);
  });

  it('what is being worked on stays, also while a check-in runs', async () => {
    await fill(21, 22, 23);
    await worker.bash('cd "$WORKER_REPOS_DIR/demo" && factory orchestrator check-in');
    const end = await worker.holdLock('locks/check-in');
    expect(await type('move', '23', '--top')).toMatchObject({ code: 0 });
    await end();
    expect(await worker.rows()).toEqual(['21 active', '23 pending', '22 pending']);
    expect((await type('move', '21', '--top')).code).toBe(2);
  });

  // After a removal is the same as before the addition that follows it.
  it.each(dialect === 'b' ? CUTS : [])(
    'killed at change %d, %s it: the next look finishes it, and every row is there once',
    async (at, moment) => {
      await fill(21, 22, 23, 24);
      const counter = join(worker.dir, 'changes');
      writeFileSync(counter, '');
      const restore = await worker.before(`
        case "$2 $3" in 'add --help') ;; add* | remove*)
          echo >>'${counter}'
          if [ "$(wc -l <'${counter}')" = ${at} ]; then
            if [ ${moment} = after ]; then ${join(worker.dir, 'factory.real')} "$@"; fi
            kill -KILL 0
          fi
        esac`);
      const cut = await type('move', '24', '--top');
      await restore();
      expect([cut.code, cut.stderr]).toEqual([1, expect.stringMatching(/not known|no whole answer/)]);

      const seen = await type();
      expect(seen.stderr).toContain('note: an earlier move was cut off, and is finished now\n');
      expect(await order()).toEqual([24, 21, 22, 23]);
      expect(await worker.lines('queue-move.jsonl')).toEqual([]);
      expect((await type()).stderr).toBe('');
    },
  );
});

describe('at the same time', () => {
  let worker: HandWorker;
  beforeAll(async () => {
    worker = await handWorker();
  });
  afterAll(() => worker.remove());

  it('two moves and a dispatch leave every row once', async () => {
    const env = worker.laptop;
    await run(dispatch, ['w', '-i', 'demo#21-25', '--intent', 'x'], { env });
    const outcomes = await Promise.all([
      run(queue, ['w', 'move', '25', '--top'], { env }),
      run(queue, ['w', 'move', '24', '--top'], { env }),
      run(dispatch, ['w', '-i', 'demo#26', '--intent', 'x'], { env }),
    ]);
    expect(outcomes[2]?.code).toBe(0);
    for (const { code, stderr } of outcomes) {
      if (code !== 0) expect(stderr).toContain('nothing was changed: other rows wait by now');
    }
    expect((await worker.queue()).map(({ issue }) => issue).sort()).toEqual([21, 22, 23, 24, 25, 26]);
  });
});

describe('queue', () => {
  let worker: HandWorker;
  beforeAll(async () => {
    worker = await handWorker();
  });
  afterAll(() => worker.remove());

  it('lists what is to be done, by place; the finished rows with --all', async () => {
    const env = worker.laptop;
    await run(dispatch, ['w', '-i', 'demo#21-24', '--intent', 'x'], { env });
    await worker.sql("UPDATE issue_queue SET status = 'completed' WHERE issue = 21");
    await worker.sql("UPDATE issue_queue SET status = 'failed' WHERE issue = 22");
    const open = await run(queue, ['w'], { env });
    expect(open.stdout).toMatch(
      /^PLACE {2}ISSUE .* AGE +INTENT\n1 +demo#23 +pending .* \d+s +x\n2 +demo#24 .*\n$/,
    );
    expect(open.stderr).toBe(
      '2 finished rows, 1 of them failed; to see them: factory-worker queue w --all\n',
    );
    const all = await run(queue, ['w', '--all'], { env });
    expect(all.stdout).toMatch(/\n2 +demo#24 .*\n- +demo#21 +completed .*\n- +demo#22 +failed .*\n$/);
    expect(all.stderr).toBe('');
    expect(JSON.parse((await run(queue, ['w', '-o', 'json'], { env })).stdout)).toHaveLength(4);
  });

  it.each([
    [['move', '23'], 'move takes either --top or --before ISSUE'],
    [['move', '23', '--top', '--before', '24'], 'move takes either --top or --before ISSUE'],
    [['list', '--top'], '--top is only for queue move'],
    [['remove', '23', '--all'], '--all is only for queue list'],
    [['move', '23', '--before', 'shop#99'], 'w has no project shop'],
  ])('%j is refused: %s', async (args, message) => {
    const { code, stderr } = await run(queue, ['w', ...args], { env: worker.laptop });
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
