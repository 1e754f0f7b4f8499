/** The daemon's life as far as it can be told without Docker; test/image/docker.test.ts has the real one. */
import { describe, expect, it } from 'vitest';
import { createDockerDaemon } from '../../../image/supervisor/docker/daemon.ts';
import type { Engine } from '../../../image/supervisor/docker/engine.ts';
import { DEFAULT_SETTINGS } from '../../../scripts/lib/contract.ts';
import { fakeClock, fakeFiles, fakeLog, fakeProcesses, settle } from '../fakes.ts';

const GIB = 1024 ** 3;
const INFO = { driver: 'overlay2', version: '26.1.5', cgroupVersion: '2' };

/** @param engine what Docker's API answers, where it is not well */
function world(engine: Partial<Engine> = {}) {
  const clock = fakeClock();
  const files = fakeFiles();
  const ends: ((code: number) => void)[] = [];
  const processes = fakeProcesses(files, {
    run: () => ({}),
    detached: () => ({ code: new Promise((resolve) => void ends.push(resolve)) }),
  });
  const notes: string[] = [];
  const docker = createDockerDaemon(
    { clock, files, log: fakeLog().log, processes },
    {
      ping: async () => true,
      info: async () => INFO,
      running: async () => [],
      stop: async () => {},
      ...engine,
    },
    {
      settings: () => DEFAULT_SETTINGS,
      // As the chart declared it when the container started.
      memoryLimit: `${8 * GIB}`,
      addresses: [],
      note: (status, message) => void notes.push(`${status} ${message}`),
    },
  );
  const start = () => docker.start(new AbortController().signal);
  const starts = () => processes.calls.filter((call) => call.startsWith('dockerd')).length;
  return { clock, docker, ends, files, notes, processes, start, starts };
}

describe('the Docker daemon', () => {
  it('is up when it answers and says how it stores', async () => {
    const { docker, processes, start } = world();
    expect(await start()).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('26.1.5, overlay2'),
    });
    expect(docker.isUp()).toBe(true);
    expect(processes.signals).toEqual([]);
  });

  it('is started again after its death, later each time, and never given up', async () => {
    const { clock, docker, ends, notes, start, starts } = world();
    await start();
    for (const pause of [1_000, 2_000, 4_000]) {
      ends.at(-1)?.(2);
      await settle();
      expect(docker.isUp()).toBe(false);
      const before = starts();
      await clock.advance(pause - 1);
      expect(starts()).toBe(before);
      await clock.advance(1);
      expect(starts()).toBe(before + 1);
      expect(docker.isUp()).toBe(true);
    }
    expect(notes[0]).toMatch(/^failed dockerd ended with exit code 2: .*\(started again in 1.0s, attempt 1;/);
    expect(notes[1]).toMatch(/^ok 26.1.5.*; started again after: dockerd ended/);
  });

  it('does not leave one behind that cannot be used: the next one would not start beside it', async () => {
    const unusable: Partial<Engine>[] = [
      { info: async () => ({ ...INFO, driver: 'vfs' }) },
      { info: () => Promise.reject(new Error('Docker does not answer within 30 s')) },
    ];
    for (const engine of unusable) {
      const { docker, processes, start } = world(engine);
      expect(await start()).toMatchObject({
        status: 'failed',
        message: expect.stringMatching(/vfs|not answer/),
      });
      expect(processes.signals).toEqual([expect.stringMatching(/^SIGKILL /)]);
      expect(processes.groups.size).toBe(0);
      await docker.stop(new AbortController().signal);
    }
  });

  it.each([
    ['v1', '/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.usage_in_bytes'],
    ['v2', '/sys/fs/cgroup', 'memory.max', 'memory.current'],
  ])(
    'follows the memory limit of a pod that is resized while it runs, cgroup %s',
    async (version, folder, limit, usage) => {
      const { docker, files, notes, start } = world();
      if (version === 'v2') files.write(`${folder}/cgroup.controllers`, 'memory');
      const ofDocker = (name: string) => `${folder}/docker/${name}`;
      files.write(`${folder}/${limit}`, `${8 * GIB}`);
      expect(await start()).toMatchObject({
        message: expect.stringContaining('containers may use 7168 MiB'),
      });

      files.write(`${folder}/${limit}`, `${12 * GIB}`);
      await docker.maintain();
      expect(files.read(ofDocker(limit))).toBe(`${11 * GIB}`);
      expect(notes).toEqual([expect.stringMatching(/^ok 26.1.5.*containers may use 11264 MiB$/)]);

      // Containers use more than they may from now on: nothing is killed, and the limit comes when they have ended.
      files.write(ofDocker(usage), `${9 * GIB}`);
      files.write(`${folder}/${limit}`, `${4 * GIB}`);
      await docker.maintain();
      expect(files.read(ofDocker(limit))).toBe(`${11 * GIB}`);
      files.write(ofDocker(usage), `${GIB}`);
      await docker.maintain();
      expect(files.read(ofDocker(limit))).toBe(`${3 * GIB}`);
      await docker.maintain();
      expect(notes).toHaveLength(2);
    },
  );
});
