/**
 * `make bench`: measures the cases of cases.ts with the bundled program and writes RESULTS.md next to this file.
 *
 * It starts a real local worker with the stand-ins for `factory` and the agents, and takes about a minute on two idle
 * cores. It only measures: a result over its limit is marked in the table, and the exit code is 0.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, platform } from 'node:os';
import { join } from 'node:path';
import {
  completion,
  cpuOfFleet,
  dispatch,
  dispatchInCluster,
  help,
  list,
  listFleet,
  listInCluster,
  memory,
  type Result,
  scriptSize,
  silence,
  watchRound,
} from './cases.ts';
import { startClusterWorker, startLocalWorker } from './place.ts';
import { repaint } from './repaint.ts';

const load = loadavg()[0] ?? Number.NaN;
const results: Result[] = [];
const place = startLocalWorker();
const cluster = await startClusterWorker();
try {
  if (cluster === null) {
    process.stdout.write(
      'no test cluster with the worker image (make cluster e2e-image): rows through kubectl are left out\n',
    );
  }
  const inCluster =
    cluster === null
      ? []
      : [
          () => listInCluster(cluster),
          () => listInCluster(cluster, 'kept'),
          () => dispatchInCluster(cluster),
          () => dispatchInCluster(cluster, 'kept'),
          () => completion(cluster),
          () => listFleet(cluster),
          () => cpuOfFleet(cluster),
        ];
  for (const measure of [
    help,
    list,
    dispatch,
    ...inCluster,
    silence,
    watchRound,
    memory,
    repaint,
    scriptSize,
  ]) {
    const result = await measure(place);
    if (result === null) continue;
    results.push(result);
    process.stdout.write(`${result.name}: ${shown(result)} (${limit(result)}), ${result.measured}\n`);
  }
} finally {
  place.stop();
  await cluster?.remove();
}
writeFileSync(join(import.meta.dirname, 'RESULTS.md'), report(results));

function holds({ value, limit: most }: Result): boolean {
  return value <= most;
}

function shown({ value, unit }: Result): string {
  return unit === '×' ? `${value.toFixed(2)} ×` : `${value.toFixed(1)} ${unit}`;
}

function limit(result: Result): string {
  return `${holds(result) ? 'within' : 'OVER'} ${result.limit} ${result.unit}`;
}

function report(rows: readonly Result[]): string {
  const lines = rows.map(
    (row) => `| ${row.name} | ${row.what} | **${shown(row)}** | ${limit(row)} | ${row.measured} |`,
  );
  return `# How fast it is

Written by \`make bench\`; do not edit. Each round runs both sides, in turns; the ratio is the median over the rounds. Times
are medians, and those of one machine only: Node ${process.versions.node}, ${platform()}, ${availableParallelism()} cores, load ${load.toFixed(1)} at the start.
The time of \`node -e 0\` in the first row is included in every time of ours.

| command | against | result | limit | measured |
|---|---|---|---|---|
${lines.join('\n')}
`;
}
