import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { packageChart } from './package.ts';
import { pinnedHelm } from './pinned-helm.ts';

/*
 * `make chart-release`: packages the chart as it stands and keeps it, with the values that it was tested with, under
 * test/charts/released/. Every later chart is upgraded from it. A version that carries a git tag is never replaced.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHART = join(ROOT, 'charts', 'factory-worker');
const RELEASED = join(ROOT, 'test', 'charts', 'released');

const { version } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string };
const tag = `factory-worker-${version}`;
const kept = join(RELEASED, `${tag}.tgz`);
const helm = pinnedHelm('helm4') ?? 'helm';

const work = mkdtempSync(join(tmpdir(), 'release-'));
try {
  const fresh = packageChart(helm, CHART, work);
  const changed = !existsSync(kept) || !readFileSync(kept).equals(readFileSync(fresh));
  if (changed && existsSync(kept) && isTagged()) {
    process.stderr.write(
      `chart ${version} is released (git tag ${tag}) and differs: raise version in charts/factory-worker/Chart.yaml\n`,
    );
    process.exitCode = 1;
  } else {
    const values = join(RELEASED, tag);
    rmSync(values, { recursive: true, force: true });
    mkdirSync(values, { recursive: true });
    copyFileSync(fresh, kept);
    for (const file of readdirSync(join(CHART, 'ci'))) {
      copyFileSync(join(CHART, 'ci', file), join(values, basename(file)));
    }
    const next = changed ? `; to release it: commit, then git tag ${tag}` : ', as it was';
    process.stdout.write(`chart ${version} is kept as test/charts/released/${tag}.tgz${next}\n`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

function isTagged(): boolean {
  const listed = execFileSync('git', ['-C', ROOT, 'tag', '--list', tag], { encoding: 'utf8' });
  return listed.trim() === tag;
}
