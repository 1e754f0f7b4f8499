import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SCRATCH } from './cluster.ts';
import { inPod, readyPod, type TestWorker } from './worker.ts';

/** Gives the worker's own Docker an image `box` of this machine's busybox, under all its names, and nothing else. */
export async function loadBox(worker: TestWorker): Promise<void> {
  mkdirSync(SCRATCH, { recursive: true });
  const work = mkdtempSync(join(SCRATCH, 'box-'));
  try {
    mkdirSync(join(work, 'bin'));
    copyFileSync('/bin/busybox', join(work, 'bin/busybox'));
    chmodSync(join(work, 'bin/busybox'), 0o755);
    const script =
      'for p in $("$1/bin/busybox" --list); do [ "$p" = busybox ] || ln -s busybox "$1/bin/$p"; done; tar -c -C "$1" .';
    const tar = execFileSync('sh', ['-c', script, 'sh', work], { maxBuffer: 64 * 1024 * 1024 });
    await inPod(worker, await readyPod(worker), 'docker import - box', tar);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
