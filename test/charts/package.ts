import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'fflate';

/** The time every packaged file carries, so that the same chart gives the same bytes whenever it is packaged. */
const EPOCH = new Date('2020-01-01T00:00:00Z');

/**
 * Packages a chart reproducibly: Helm 4 takes over the files' times and nothing of the machine.
 *
 * @param helm path of a Helm 4 (Helm 3 writes the time of packaging)
 * @returns path of the package in `destination`
 */
export function packageChart(helm: string, chart: string, destination: string): string {
  const work = mkdtempSync(join(tmpdir(), 'chart-'));
  try {
    const copy = join(work, 'factory-worker');
    cpSync(chart, copy, { recursive: true });
    for (const file of readdirSync(copy, { recursive: true, encoding: 'utf8' })) {
      utimesSync(join(copy, file), EPOCH, EPOCH);
    }
    mkdirSync(destination, { recursive: true });
    const said = execFileSync(helm, ['package', copy, '--destination', destination], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', HOME: work },
    });
    const [, path] = /saved it to: (.*\.tgz)/.exec(said) ?? [];
    if (path === undefined) throw new Error(`helm package said: ${said}`);
    return path;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The files of a package, by path. */
export function filesOf(path: string): ReadonlyMap<string, string> {
  const archive = Buffer.from(gunzipSync(readFileSync(path)));
  const files = new Map<string, string>();
  // A tar file: a header of 512 bytes, then the content, padded to 512.
  for (let at = 0; at < archive.length && archive[at] !== 0; ) {
    const text = (from: number, length: number) =>
      archive
        .subarray(at + from, at + from + length)
        .toString()
        .replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8);
    files.set(text(0, 100), archive.subarray(at + 512, at + 512 + size).toString());
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
