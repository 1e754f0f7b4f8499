/** Bundles the umbrella command, so that it starts as fast as Node itself, and the supervisor, into dist/. */
import { existsSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { $ } from 'zx/core';
import { packageRoot } from '../lib/cli/version.ts';
import { commands, supervisor } from './options.ts';
import { type Output, writeOutputs } from './write-outputs.ts';

const root = packageRoot();
const program = join(commands.outdir, 'factory-worker.js');

async function outputsOf(options: BuildOptions): Promise<Output[]> {
  const { outputFiles } = await build({ ...options, write: false });
  return outputFiles;
}

const began = new Date();
const outputs = await outputsOf(commands);
if (existsSync(supervisor.entryPoints.supervisor)) outputs.push(...(await outputsOf(supervisor)));
// The entry points import the chunks.
writeOutputs(
  commands.outdir,
  program,
  outputs.toSorted((a, b) => Number(b.path.includes('/chunks/')) - Number(a.path.includes('/chunks/'))),
);

// Also where nothing has changed: the program compares it with the sources (lib/cli/stale.ts).
utimesSync(program, began, began);

// Checks that the bundle starts and accepts a valid workers.yaml.
await $({ quiet: true })`${program} list -o name --workers ${join(root, 'workers.example.yaml')}`;
