/** Bundles the umbrella command, so that it starts as fast as Node itself, and the supervisor into dist/. */
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { $ } from 'zx/core';
import { packageRoot } from '../lib/cli/version.ts';
import { commands, supervisor } from './options.ts';

const root = packageRoot();
const program = join(commands.outdir, 'factory-worker.js');

rmSync(commands.outdir, { recursive: true, force: true });
await build(commands);
chmodSync(program, 0o755);

// A bundle that does not start, or takes every workers.yaml for a bad one, would be found by the first user.
await $({ quiet: true })`${program} list -o name --workers ${join(root, 'workers.example.yaml')}`;

if (existsSync(supervisor.entryPoints.supervisor)) await build(supervisor);
