/**
 * `make bench-image`: how long the worker image takes to be ready, compared with its own dockerd started bare in a container
 * of the same image; writes RESULTS-image.md next to this file. Like `make bench` it only measures.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, type Side } from './measure.ts';

const IMAGE = 'factory-worker:standins';
const ROUNDS = 15;
const LIMIT = 1.3;
/** Both are polled at the same rate, from inside. */
const UNTIL = 'do sleep 0.02; done';

const dir = mkdtempSync(join(tmpdir(), 'factory-worker-bench-image-'));
const names = { bare: `fw-bench-bare-${process.pid}`, worker: `fw-bench-worker-${process.pid}` };

function docker(...args: string[]): void {
  execFileSync('docker', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** From the start of an existing container until the question succeeds. */
function side(name: string, question: string): Side {
  const script = `docker start "$1" >/dev/null && exec docker exec "$1" bash -c "$2"`;
  return {
    argv: () => ['bash', '-c', script, 'start', name, `until ${question}; ${UNTIL}`],
    env: process.env,
  };
}

function remove(): void {
  docker('rm', '--force', '--volumes', names.bare, names.worker);
}

/** Both are recreated before every run: a new pod has an empty docker volume, too. */
function renew(): void {
  remove();
  const create = (name: string, ...args: string[]) =>
    docker('create', '--privileged', '--memory', '2g', '--name', name, ...args);
  create(names.bare, '--entrypoint', 'dockerd', IMAGE);
  create(names.worker, '--volume', `${join(dir, 'config')}:/etc/factory-worker/config:ro`, IMAGE);
}

function report(ratio: number, oursMs: number, bareMs: number, load: number): string {
  return `# How fast the worker image starts

Written by \`make bench-image\`; do not edit. Both sides in each of ${ROUNDS} rounds, in turns; the ratio is the median over the rounds.
Times are medians, and those of one machine only: ${platform()}, ${availableParallelism()} cores, load ${load.toFixed(1)} at the start.

| from the start of the container | against | result | limit | measured |
|---|---|---|---|---|
| until \`worker-health ready\` says ok | until bare dockerd in the same image answers | **${ratio.toFixed(2)} ×** | ${ratio <= LIMIT ? 'within' : 'OVER'} ${LIMIT} × | ${Math.round(oursMs)} ms against ${Math.round(bareMs)} ms |
`;
}

const load = loadavg()[0] ?? Number.NaN;
mkdirSync(join(dir, 'config'));
writeFileSync(join(dir, 'config/settings.json'), JSON.stringify({ schema: 1, docker: { enabled: true } }));
try {
  const { ratio, oursMs, bareMs } = compare(
    side(names.bare, 'docker version >/dev/null 2>&1'),
    side(names.worker, '[ "$(worker-health ready)" = ok ]'),
    ROUNDS,
    renew,
  );
  const text = report(ratio, oursMs, bareMs, load);
  process.stdout.write(text);
  writeFileSync(join(import.meta.dirname, 'RESULTS-image.md'), text);
} finally {
  remove();
  rmSync(dir, { recursive: true, force: true });
}
