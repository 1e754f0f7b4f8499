import { expect, test } from 'vitest';
import { createStateVolumeWatch } from '../../image/supervisor/state-volume.ts';
import { DIRS, fakeClock, fakeEnvironment, fakeFiles, fakeLog, fakeProcesses } from './fakes.ts';

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
