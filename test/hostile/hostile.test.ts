/**
 * A worker that lies in every field, told to every command. The table is command × field × probe; see README.md.
 */
import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { OUTPUT_SCHEMAS } from '../../scripts/lib/output-schemas.ts';
import { ALL_COMMANDS } from '../support/commands.ts';
import type { Transport } from '../support/run-command.ts';
import { milliseconds } from './clock.ts';
import { RECIPES, type Recipe } from './recipes.ts';
import { REMOTE_SCRIPTS } from './remote-parts.ts';
import { fakeFetch, scriptOf, type Told, tell, type Untruth, untruthsOf, violations } from './table.ts';

vi.mock('node:timers/promises', async (original) => {
  const { sleep } = await import('./clock.ts');
  return { ...(await original<typeof import('node:timers/promises')>()), setTimeout: sleep };
});

/** So many cells of each command, chosen by the seed: all of them, or a number. */
const OF_EACH_COMMAND =
  process.env['HOSTILE'] === 'all' ? Number.POSITIVE_INFINITY : Number(process.env['HOSTILE'] || 60);
/** Of the cells only those whose question, field and probe contain this, such as `10,000 rows`. */
const ONLY = process.env['HOSTILE_ONLY'] ?? '';
const SEED = process.env['HOSTILE_SEED'] ?? '1';
/** All over one transport; otherwise each cell over one of the two, by turns. */
const TRANSPORT = process.env['HOSTILE_TRANSPORT'] as Transport | undefined;
/** A file for what did not hold, a JSON line for each cell. */
const REPORT = process.env['HOSTILE_REPORT'];

beforeAll(() => {
  vi.spyOn(Date, 'now').mockImplementation(milliseconds);
  vi.spyOn(performance, 'now').mockImplementation(milliseconds);
  vi.stubGlobal('fetch', fakeFetch);
});

afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** A number from a text, the same in each run (FNV-1a). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return value;
}

/** A lie, and the run it is told in. */
interface Trial {
  readonly recipe: Recipe;
  readonly honest: Told;
  readonly untruth: Untruth;
}

/**
 * The cells of a command. The same answer is often read by several recipes of it: what could be printed is then told in each
 * format; what is of the wrong type, or too much, in one of them by turns.
 */
async function trialsOf(recipes: readonly Recipe[]): Promise<Trial[]> {
  const cells = new Map<string, Trial[]>();
  for (const recipe of recipes) {
    const honest = await honestRun(recipe);
    const { argv, terminal = false, scene = 'busy' } = recipe;
    const format = `${argv.includes('-o') ? argv[argv.indexOf('-o') + 1] : 'text'} ${terminal}`;
    for (const untruth of untruthsOf(recipe, honest)) {
      const { question, field, probe } = untruth;
      const printed = probe.kind === 'control' || probe.kind === 'token';
      const key = [scene, question, field, probe.name, printed ? format : ''].join('|');
      const trial = { recipe, honest, untruth };
      const others = cells.get(key);
      if (others === undefined) cells.set(key, [trial]);
      else if (!printed) others.push(trial);
    }
  }
  return [...cells].map(([key, trials]) => trials[hash(key) % trials.length] as Trial);
}

/** So many of the cells, the same each time. */
function sample(trials: readonly Trial[], size: number): readonly Trial[] {
  return trials
    .map((trial) => {
      const { question, field, probe } = trial.untruth;
      return { trial, rank: hash([SEED, ...trial.recipe.argv, question, field, probe.name].join('|')) };
    })
    .sort((a, b) => a.rank - b.rank)
    .slice(0, size)
    .map(({ trial }) => trial);
}

function transportOf({ recipe, untruth: { question, field, probe } }: Trial): Transport {
  const key = ['transport', ...recipe.argv, question, field, probe.name].join('|');
  return recipe.transport ?? TRANSPORT ?? (hash(key) % 2 === 0 ? 'kubectl' : 'proxy');
}

const honestRuns = new Map<Recipe, Promise<Told>>();

/** The run of a recipe in which nobody lies. */
function honestRun(recipe: Recipe): Promise<Told> {
  const run = honestRuns.get(recipe) ?? tell(recipe);
  honestRuns.set(recipe, run);
  return run;
}

describe('every command', () => {
  it('is in the table', () => {
    const without = Object.keys(ALL_COMMANDS).filter((name) => (RECIPES[name] ?? []).length === 0);
    expect(
      without.map(
        (name) =>
          `${name} is told no lies yet: add to RECIPES in test/hostile/recipes.ts how it is typed so that it asks a worker`,
      ),
    ).toEqual([]);
    expect(Object.keys(RECIPES).filter((name) => !(name in ALL_COMMANDS))).toEqual([]);
  });
});

describe.each(Object.entries(RECIPES))('%s', (name, recipes) => {
  it.each(recipes.map((recipe) => [recipe.argv.join(' '), recipe] as const))(
    '%s: holds when nobody lies',
    async (_, recipe) => {
      const told = await honestRun(recipe);
      // On a terminal, Ctrl-C is how one stops to look.
      const { code = recipe.endless && !recipe.terminal ? 130 : 0 } = recipe;
      expect({ code: told.code, stderr: told.stderr }).toEqual({ code, stderr: told.stderr });
      expect(violations(recipe, told, null)).toEqual([]);
    },
  );

  const overBoth = recipes.filter(({ transport }) => transport === undefined);
  it.each(overBoth.map((recipe) => [recipe.argv.join(' '), recipe] as const))(
    '%s: is told the same over the other transport',
    async (_, recipe) => {
      const [one, other] = [await honestRun(recipe), await tell(recipe, null, 'proxy')];
      expect({ code: other.code, asked: [...other.asked.keys()].sort() }).toEqual({
        code: one.code,
        asked: [...one.asked.keys()].sort(),
      });
      expect(violations(recipe, other, one)).toEqual([]);
    },
  );

  it(
    'holds whatever its worker says',
    async () => {
      const all = (await trialsOf(recipes)).filter(({ untruth: { question, field, probe } }) =>
        `${question}, ${field}: ${probe.name}`.includes(ONLY),
      );
      const trials = sample(all, OF_EACH_COMMAND);
      const broken: string[] = [];
      for (const trial of trials) {
        const { recipe, honest, untruth } = trial;
        const transport = transportOf(trial);
        const found = violations(recipe, await tell(recipe, untruth, transport), honest);
        if (found.length === 0) continue;
        const { argv } = recipe;
        const { question, field, probe } = untruth;
        broken.push(
          `${argv.join(' ')} | by ${transport} | ${question}, ${field} | ${probe.kind}: ${probe.name} | ${found.join('; ')}`,
        );
        if (REPORT) {
          appendFileSync(
            REPORT,
            `${JSON.stringify({ argv, transport, scene: recipe.scene, question, field, kind: probe.kind, probe: probe.name, found })}\n`,
          );
        }
      }
      const [tried, held] = [trials.length, trials.length - broken.length];
      if (REPORT)
        appendFileSync(REPORT, `${JSON.stringify({ command: name, tried, held, of: all.length })}\n`);
      expect(broken.slice(0, 20), `${broken.length} of ${tried} did not hold`).toEqual([]);
    },
    60_000 + 100 * Math.min(OF_EACH_COMMAND, 20_000),
  );
});

// Last, when all of them have run.
describe('every command with JSON', () => {
  it('has printed some when nobody lies, and so it was held against its schema', async () => {
    const without = [];
    for (const name of Object.keys(OUTPUT_SCHEMAS)) {
      const outputs = [];
      for (const recipe of (RECIPES[name] ?? []).filter(({ argv }) => argv.join(' ').includes('-o json'))) {
        outputs.push((await honestRun(recipe)).stdout);
      }
      if (outputs.join('').trim() === '')
        without.push(`${name} prints no JSON yet: add a recipe with -o json`);
    }
    expect(without).toEqual([]);
  }, 120_000);
});

describe('every remote script', () => {
  const answers = async () => {
    const runs = [];
    for (const recipe of Object.values(RECIPES).flat()) runs.push(await honestRun(recipe));
    return runs.flatMap(({ asked }) => [...asked]);
  };

  it('is asked by a recipe', async () => {
    const asked = new Set((await answers()).map(([question]) => scriptOf(question)));
    const without = REMOTE_SCRIPTS.filter((name) => !asked.has(name));
    expect(
      without.map((name) => `nothing is lied in the answer of ${name}.sh yet: add a recipe that asks for it`),
    ).toEqual([]);
  }, 120_000);
});
