import { expect, test } from 'vitest';
import { createStateVolumeWatch, stateVolumeObstacle } from '../../image/supervisor/state-volume.ts';
import { DIRS, fakeClock, fakeEnvironment, fakeFiles, fakeLog, fakeProcesses } from './fakes.ts';

test('no work is taken while there is no room for an issue', () => {
  const MB = 1024 ** 2;
  const left = (megabytes: number, size = 20_000) =>
    stateVolumeObstacle({ usedBytes: (size - megabytes) * MB, sizeBytes: size * MB });
  expect([left(100), left(2, 32), stateVolumeObstacle(null)]).toEqual([null, null, null]);
  expect(left(99)).toBe(
    'the state volume is full (99 MB left) and no work is taken; to see what can be removed: cleanup --dry-run (on the laptop)',
  );
  expect(left(1, 32)).toMatch(/^the state volume is full \(1 MB left\)/);
});

test('a state volume that runs full: told once, with what is largest, and nothing is removed', async () => {
  const clock = fakeClock();
  const worktree = (issue: number) => `${DIRS.WORKER_REPOS_DIR}/demo/worktrees/issue-${issue}`;
  const files = fakeFiles({ [`${worktree(1)}/a`]: 'x', [`${worktree(2)}/a`]: 'x' });
  const { lines, log } = fakeLog();
  const processes = fakeProcesses(files, {
    run: () => ({ stdout: `12\t${worktree(1)}\n700\t${worktree(2)}\n0\t${DIRS.WORKER_STATE_DIR}/logs\n` }),
  });
  let used = 84;
  const maintain = createStateVolumeWatch(fakeEnvironment(), { clock, files, log, processes }, () => ({
    usedBytes: used,
    sizeBytes: 100,
  }));
  const look = async () => {
    await clock.advance(5 * 60_000);
    await maintain();
  };
  await look();
  expect(lines).toEqual([]);
  used = 91;
  await look();
  await look();
  expect(lines).toEqual([
    `the state volume is 91 % full; the largest things that finished issues may have left: ${worktree(2)} 700 MB, ${worktree(1)} 12 MB. Remove a worktree with: git -C /w/repos/PROJECT worktree remove --force PATH`,
  ]);
  expect(processes.calls).toEqual([
    `nice -n 19 du --summarize --block-size=1M ${worktree(1)} ${worktree(2)} ${DIRS.WORKER_STATE_DIR}/logs`,
  ]);
  used = 50;
  await look();
  used = 90;
  await look();
  expect(lines).toHaveLength(2);
});

test('a database on it is told too, since it may be what grows', async () => {
  const clock = fakeClock();
  const folder = `${DIRS.WORKER_STATE_DIR}/postgres`;
  const files = fakeFiles({ [`${folder}/data/PG_VERSION`]: '15' });
  const { lines, log } = fakeLog();
  const processes = fakeProcesses(files, {
    run: (argv) => ({ stdout: argv.at(-1) === folder ? `900\t${folder}\n` : '' }),
  });
  const use = () => ({ usedBytes: 91, sizeBytes: 100 });
  await createStateVolumeWatch(fakeEnvironment(), { clock, files, log, processes }, use)();
  expect(lines).toEqual([expect.stringMatching(/PATH; its PostgreSQL has 900 MB$/)]);
});
