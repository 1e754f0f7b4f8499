/** One run of a command with one lie in it, or with none, and what must hold whatever was said. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InterruptedError } from '../../scripts/lib/cli/errors.ts';
import { ALL_COMMANDS } from '../support/commands.ts';
import { documentsIn, unpublished } from '../support/published.ts';
import { type Outcome, run, type Transport } from '../support/run-command.ts';
import { date, setClock } from './clock.ts';
import { type Cell, cellsOf, inString, OWN_SECRET, PLANTED, STRINGS } from './lies.ts';
import { type Lie, play, type Question } from './play.ts';
import type { Recipe } from './recipes.ts';
import { partsOf } from './remote-parts.ts';
import { archive, type Reply } from './reply.ts';
import { tarOf } from './tar.ts';

/** A cell of the table: where, and what is said there. */
export interface Untruth extends Cell {
  readonly question: Question;
}

/** What came of a run. */
export interface Told extends Outcome {
  /** Bodies of what was posted to a webhook. */
  readonly posts: readonly string[];
  /** What was asked, and the honest answers. */
  readonly asked: ReadonlyMap<Question, Reply>;
  readonly askedBytes: number;
  /** It asked, or waited, again and again, until it was interrupted. */
  readonly stopped: boolean;
  /** Characters that were cut into graphemes: the dearest thing that is done with text. */
  readonly work: number;
  readonly cpuMs: number;
  /** What of its JSON is not as its schema says; null when all of it is. */
  readonly unpublished: string | null;
}

/** So often is asked and waited before Ctrl-C: more than any honest run needs. */
const ASKS = 400;
const PAUSES = 100;
/** Of what goes on until Ctrl-C a few rounds are enough. */
const ROUNDS = 3;

/** Counts the characters that are cut into graphemes. */
const segmenting = { characters: 0 };
const segment = Intl.Segmenter.prototype.segment;
Intl.Segmenter.prototype.segment = function (text: string) {
  segmenting.characters += text.length;
  return segment.call(this, text);
};

const posts: string[] = [];
/** Takes the place of the global `fetch`. */
export async function fakeFetch(_url: unknown, options?: { readonly body?: unknown }): Promise<Response> {
  posts.push(String(options?.body ?? ''));
  return new Response('ok');
}

export async function tell(
  recipe: Recipe,
  untruth: Untruth | null = null,
  transport: Transport = 'kubectl',
): Promise<Told> {
  const [name = '', ...argv] = recipe.argv;
  const command = await ALL_COMMANDS[name]?.load();
  if (command === undefined) throw new Error(`there is no command ${name}`);
  const home = mkdtempSync(join(tmpdir(), 'hostile-'));
  const interrupt = new AbortController();
  let stopped = false;
  const stop = () => {
    stopped = true;
    if (!interrupt.signal.aborted) interrupt.abort(new InterruptedError());
  };
  setClock((pauses) => {
    if (pauses >= (recipe.endless ? ROUNDS : PAUSES)) stop();
  });
  const lie: Lie | undefined =
    untruth === null ? undefined : { question: untruth.question, change: untruth.change };
  const playing = play({
    scenes: { 'worker-1': recipe.scene ?? 'busy', ...(recipe.second ? { 'worker-2': recipe.second } : {}) },
    ...(lie ? { lie } : {}),
    interactive: recipe.remoteCodes ?? [],
    ...(recipe.lost === undefined ? {} : { lost: recipe.lost }),
    onAsk: (count) => {
      if (count >= ASKS) stop();
    },
    onDetach: () => layOut(home, recipe, lie, playing.asked, recipe.appear),
  });
  posts.length = 0;
  segmenting.characters = 0;
  try {
    const { files = {}, appear = [] } = recipe;
    layOut(
      home,
      recipe,
      lie,
      playing.asked,
      Object.keys(files).filter((path) => !appear.includes(path)),
    );
    const before = process.cpuUsage();
    const words = argv.map((word) => word.replace(/^HOME\//, `${home}/`));
    const outcome = await run(command, words, {
      exec: playing.exec,
      transport,
      env: {
        HOME: home,
        KUBECTL: 'kubectl',
        HELM: 'helm',
        TERM: 'xterm-256color',
        ...recipe.env,
      },
      now: date,
      interrupt,
      published: false,
      ...(recipe.terminal ? { tty: true, columns: 100 } : {}),
    });
    const { user, system } = process.cpuUsage(before);
    const form = formOf(recipe);
    return {
      ...outcome,
      unpublished:
        form !== null && parses(outcome.stdout, form) ? unpublished(command, words, outcome.stdout) : null,
      stdout: outcome.stdout.replaceAll(home, 'HOME'),
      stderr: outcome.stderr.replaceAll(home, 'HOME'),
      posts: [...posts],
      asked: playing.asked,
      askedBytes: playing.bytes(),
      stopped,
      work: segmenting.characters,
      cpuMs: (user + system) / 1000,
    };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** The operator's home: workers.yaml and files of the recipe, those with a lie in them too. */
function layOut(
  home: string,
  { entered = 'cluster', second, files = {}, told = [] }: Recipe,
  lie: Lie | undefined,
  asked: Map<Question, Reply>,
  paths: readonly string[] = [],
): void {
  const inCluster = (name: string) =>
    `  - {name: ${name}, pod: factory-${name}, namespace: factory, context: ctx-${name}}\n`;
  const entries = [
    ...(entered === 'cluster' ? [inCluster('worker-1')] : []),
    ...(entered === 'local' ? [`  - {name: worker-1, runtime: local, home: ${home}/local}\n`] : []),
    ...(second ? [inCluster('worker-2')] : []),
  ];
  if (entries.length > 0) write(home, '.factory/workers.yaml', `workers:\n${entries.join('')}`);
  for (const path of paths) {
    const content = files[path] ?? '';
    const honest: Reply =
      typeof content === 'string' ? { kind: 'text', stdout: content, stderr: '', code: 0 } : archive(content);
    const question = `file ${path}`;
    if (told.includes(path)) asked.set(question, honest);
    const said = lie?.question === question ? lie.change(honest) : honest;
    if (said.kind === 'archive') write(home, path, tarOf(said.files, { gzip: true }));
    else if (said.kind === 'text') write(home, path, said.stdout);
  }
}

function write(home: string, path: string, content: string | Buffer): void {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, content);
}

/** All the lies that can be told to a command: in each answer of worker-1 that an honest run of it asks for. */
export function untruthsOf({ toldFields, knowsSecret = false }: Recipe, honest: Told): Untruth[] {
  return (
    [...honest.asked]
      // Neither worker-2 nor the programs of this machine lie.
      .filter(([question]) => /^(?:worker-1|local|file) /.test(question))
      .flatMap(([question, reply]) => {
        const cells =
          question.startsWith('file ') && reply.kind === 'text'
            ? inFile(reply.stdout).filter(
                // What was recorded here has been checked when it came: of those fields only the words are a worker's.
                ({ field, probe }) =>
                  toldFields === undefined || (toldFields.test(field) && STRINGS.includes(probe)),
              )
            : cellsOf(reply, knowsSecret, reply.kind === 'frame' ? partsOf(scriptOf(question)) : []);
        return cells.map((cell) => ({ question, ...cell }));
      })
  );
}

/** `look` of `worker-1 look`. */
export const scriptOf = (question: Question) => question.slice(question.indexOf(' ') + 1);

/** What stands in a file has no stderr beside it. */
function inFile(content: string): Cell[] {
  return inString(content, STRINGS).map(({ field, probe, change }) => ({
    field,
    probe,
    change: (said) => (said.kind === 'text' ? { ...said, stdout: change(said.stdout) } : said),
  }));
}

// --- what must hold -------------------------------------------------------------------------------------------------

/** What is printed of one run may be so long: what a person could not read is no answer. */
const MOST_CHARACTERS = 1024 ** 2;
const MOST_CHARACTERS_OF_DATA = 8 * MOST_CHARACTERS;

/** Each character of an answer is cut into graphemes so often at most, and so many are beside them. */
const WORK_PER_BYTE = 8;
const WORK_BESIDE = 100_000;

/**
 * A hundred times what an honest run takes, so that a slow machine does not matter; and what it takes to parse answers of ten
 * megabytes, which are asked for again and again.
 */
const MOST_CPU_MS = 4_000;
const CPU_MS_PER_MEGABYTE = 100;

const CODES = new Set([0, 1, 2, 3, 124, 127, 130]);

/** @returns what does not hold, in a few words each; empty when all does */
export function violations(recipe: Recipe, told: Told, honest: Told | null): string[] {
  const { stdout, stderr, code } = told;
  const form = formOf(recipe);
  const data = form !== null || /^(logs|peek)$/.test(recipe.argv[0] ?? '');
  const secrets = [...PLANTED, ...(recipe.knowsSecret ? [OWN_SECRET] : [])];
  const places = { stdout, stderr, 'a webhook': told.posts.join('\n') };
  return [
    ...(stderr.includes('failed unexpectedly') ? [`crash: ${firstOfStack(stderr)}`] : []),
    ...(CODES.has(code) || recipe.remoteCodes?.includes(code) ? [] : [`exit code ${code}`]),
    ...Object.entries({ stdout, stderr }).flatMap(([stream, text]) => {
      const found = controlIn(text, recipe);
      return found === null ? [] : [`control sequence on ${stream}: ${found}`];
    }),
    ...Object.entries(places).flatMap(([place, text]) => {
      const found = secrets.find((secret) => text.includes(secret));
      return found === undefined ? [] : [`token in ${place}: ${around(text, found)}`];
    }),
    ...(form === null || parses(stdout, form) ? [] : [`stdout is not ${form}`]),
    ...(told.unpublished === null ? [] : [`prints ${form} ${told.unpublished}`]),
    ...(stdout.length + stderr.length > (data ? MOST_CHARACTERS_OF_DATA : MOST_CHARACTERS)
      ? [`prints ${stdout.length + stderr.length} characters`]
      : []),
    ...(told.work > WORK_BESIDE + WORK_PER_BYTE * told.askedBytes
      ? [`measures ${told.work} characters`]
      : []),
    ...(told.cpuMs > MOST_CPU_MS + (CPU_MS_PER_MEGABYTE * told.askedBytes) / 1e6
      ? [`takes ${Math.round(told.cpuMs)} ms of processor for ${told.askedBytes} bytes`]
      : []),
    ...(told.stopped && !recipe.endless ? ['does not end by itself'] : []),
    ...(honest === null ? [] : differing(recipe, told, honest)),
  ];
}

type Form = 'json' | 'yaml';

/** Which form of data it asks for; null for text. */
function formOf({ argv }: Recipe): Form | null {
  const [, form] = /-o (json|yaml)/.exec(argv.join(' ')) ?? [];
  // The YAML of `workers` is its own.
  if (form === undefined || (form === 'yaml' && argv[0] === 'workers')) return null;
  return form as Form;
}

/** Our own drawing on a terminal: home, to a row, lines cleared, the cursor up and back to the begin of its line. */
const OWN_DRAWING = /\u001b\[(?:H|\d+;1H|2?K|J|\d+A)|\r/g;
/** The alternate screen, taken at the beginning and given back at the end (full-screen.ts). */
const WHOLE_SCREEN =
  /^\u001b\[\?1049h\u001b\[\?25l\u001b\[H\u001b\[2J|\u001b\[0m\u001b\[\?25h\u001b\[\?1049l$/g;
/** What ends the modes in which a lost connection leaves a terminal (attach/keep-attached.ts). */
const MODES_OFF = /\u001b(?:\[\?(?:1049|100[02346]|2004|1)l|\[\?25h|\[0m|>)/g;
const COLOURS = /\u001b\[[\d;]*m/g;
const CONCEAL = '\u001b[8m';
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

function controlIn(text: string, recipe: Recipe): string | null {
  const given = recipe.argv[0] === 'attach' ? text.replaceAll(MODES_OFF, '') : text;
  const drawn = recipe.terminal ? given.replaceAll(WHOLE_SCREEN, '').replaceAll(OWN_DRAWING, '') : given;
  // Colours may stay, where it is not data; what conceals may not.
  const left =
    formOf(recipe) !== null
      ? drawn
      : drawn.replaceAll(COLOURS, (colour) => (colour === CONCEAL ? colour : ''));
  const found = CONTROL.exec(left);
  return found === null ? null : JSON.stringify(left.slice(Math.max(0, found.index - 20), found.index + 20));
}

function parses(text: string, form: Form): boolean {
  try {
    documentsIn(text, form);
    return true;
  } catch {
    return false;
  }
}

function isDocument(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** What is said of worker-2, which does not lie, is what is said of it when nobody does. */
function differing(recipe: Recipe, told: Told, honest: Told): string[] {
  if (recipe.second === undefined || isChoice(recipe)) return [];
  const [now, then] = [ofSecond(told.stdout), ofSecond(honest.stdout)];
  return then.every((line) => now.includes(line))
    ? []
    : [`worker-2 is told otherwise: ${now[0] ?? 'not at all'}`];
}

/** Commands by which one of several workers is chosen, or which stop at the first that is not well. */
const isChoice = ({ argv, terminal }: Recipe) =>
  argv[0] === 'dispatch' || argv[0] === 'build-push-rollout' || (terminal ?? false);

/** What an output says of worker-2: of JSON its elements, of text its lines, whatever the widths of columns. */
function ofSecond(stdout: string): string[] {
  const documents = stdout
    .split('\n')
    .filter(isDocument)
    .map((line) => JSON.parse(line) as unknown);
  const elements =
    parses(stdout, 'json') && stdout.trimStart().startsWith('[') && !isDocument(stdout.split('\n')[0] ?? '')
      ? [JSON.parse(stdout)]
      : documents;
  const found = elements
    .flat()
    .map((element) => JSON.stringify(element))
    .filter((element) => element?.includes('worker-2'));
  if (found.length > 0) return found.map(timeless);
  return stdout
    .split('\n')
    .filter((line) => line.includes('worker-2') && !line.includes('worker-1'))
    .map((line) => timeless(line.replaceAll(/\s+/g, ' ').trim()));
}

const timeless = (text: string) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');

function firstOfStack(stderr: string): string {
  const at = stderr.indexOf('failed unexpectedly');
  const line = stderr.slice(at).split(/\n|\\n/)[1] ?? '';
  const place = /scripts\/[\w/-]+\.ts:\d+/.exec(stderr.slice(at))?.[0] ?? '';
  return `${line.slice(0, 120)} (${place})`;
}

function around(text: string, found: string): string {
  const at = text.indexOf(found);
  return JSON.stringify(text.slice(Math.max(0, at - 40), at + found.length));
}
