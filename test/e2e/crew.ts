/** Issues at work in every dialect of factory at once: what interrupts one of them interrupts each. */
import { beforeAll, expect } from 'vitest';
import { until } from './cluster.ts';
import { install, standins, type Values, WITH_POSTGRES, WORKING, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import { useNamespace } from './site.ts';
import {
  assertSound,
  finished,
  inWorker,
  LIST_SESSIONS,
  queueOf,
  rowsOf,
  type TestWorker,
} from './worker.ts';

const DIALECTS = ['design', 'a', 'b', 'c'];

/** Values of a worker that goes through its queue in stages of some seconds. */
export const speaking = (dialect: string): Values => ({
  ...WORKING,
  ...standins({ STANDIN_FACTORY_DIALECT: dialect, STANDIN_CLAUDE_WORK_SECONDS: 5 }),
});

interface Crew {
  /** Does the same to each worker, at the same moment. */
  each(act: (worker: TestWorker) => Promise<unknown>): Promise<void>;
  /**
   * Lets a fault happen while an agent of each worker is in the middle of a stage and another issue waits; then waits until
   * each worker runs again. Each fault meets another stage: one that is interrupted again and again is given up (DESIGN §4).
   *
   * @param name of the fault, for what the operator read
   */
  interrupted(name: string, fault: () => Promise<unknown>): Promise<void>;
  /** Waits until all that was accepted is finished: each issue once, and without anybody's doing. */
  finishes(): Promise<void>;
}

interface Member extends TestWorker {
  readonly dialect: string;
  /** Issue numbers, in the order of their dispatch. */
  readonly accepted: number[];
  /** Issue and stage that a fault has met, as the names of sessions have them: `3-review`. */
  readonly met: Set<string>;
}

/** A worker for each dialect. @param values of all of them */
export function useCrew(namespace: string, values: Values = {}): Crew {
  useNamespace(namespace);
  const members = DIALECTS.map((dialect): Member => {
    return { ...workerIn(namespace, `worker-${dialect}`), dialect, accepted: [], met: new Set() };
  });
  const operator = Operator.of(
    members.map((member) => ({ name: member.name, namespace: member.namespace, pod: member.pod })),
  );
  const each = async (act: (member: Member) => Promise<unknown>) =>
    void (await Promise.all(members.map(act)));

  beforeAll(() =>
    each((member) =>
      install(member, {
        ...values,
        ...(member.dialect === 'c' && WITH_POSTGRES),
        ...speaking(member.dialect),
      }),
    ),
  );

  /** One at work, in a stage that no fault has met, and one that waits. */
  async function giveWork(worker: Member): Promise<void> {
    const { accepted, met } = worker;
    const stage = await until('an agent is in another stage, and an issue waits', 120, async () => {
      const open = (await rowsOf(worker)).filter(({ Status }) => Status !== 'completed');
      for (let count = open.length; count < 2; count++) {
        const issue = accepted.length + 1;
        expect(await operator.dispatch(worker, issue)).toExitWith(0);
        accepted.push(issue);
      }
      const [, found] = /^(\d+-[a-z]+)-\d+$/m.exec(await inWorker(worker, LIST_SESSIONS)) ?? [];
      return found !== undefined && !met.has(found) && found;
    });
    met.add(stage);
  }

  return {
    each,
    async interrupted(name, fault) {
      await each(giveWork);
      await fault();
      await each(async (worker) => {
        await until('it runs', 120, async () => (await operator.row(worker)).status === 'running');
        saw(`${name}, ${worker.name}: status afterwards`, await operator.status(worker));
      });
    },
    async finishes() {
      await each(async (worker) => {
        const { accepted } = worker;
        try {
          for (const issue of accepted) await finished(worker, issue);
        } catch (error) {
          throw new Error(`${(error as Error).message}\n${(await operator.status(worker)).stdout}`);
        }
        expect(accepted).toEqual(expect.arrayContaining(await queueOf(worker)));
        await assertSound(worker);
      });
    },
  };
}
