/**
 * The dashboard without a terminal: what it knows, and what each observation and each key changes. Pure; look.ts observes,
 * screen.ts says what is on the screen, and scripts/ui.ts does what the keys ask for.
 */
import { GROUPS, type Group, type Row } from './row.ts';

/** What a session shows. */
export interface Pane {
  readonly worker: string;
  readonly session: string;
  readonly lines: readonly string[];
}

export interface Model {
  /** The names of all workers, in the order of workers.yaml. */
  readonly workers: readonly string[];
  /** Those that have been observed. */
  readonly rows: ReadonlyMap<string, Row>;
  /** The name of the selected worker; null for the one at the top, until a key is pressed. */
  readonly selected: string | null;
  /** The session to show, where the operator chose another one than the first. */
  readonly session: string | null;
  readonly pane: Pane | null;
  readonly filter: string;
  /** What keys do: move and act, change the filter, or leave the help. */
  readonly mode: 'browse' | 'filter' | 'help';
  /** A sentence for the operator, until the next key. */
  readonly note: string;
}

export type Event =
  | { readonly type: 'row'; readonly row: Row }
  | { readonly type: 'pane'; readonly pane: Pane }
  | { readonly type: 'note'; readonly note: string }
  | { readonly type: 'key'; readonly key: string };

/** The commands that keys run. */
export type KeyCommand =
  | 'attach'
  | 'peek'
  | 'logs'
  | 'why'
  | 'unstick'
  | 'dispatch'
  | 'send'
  | 'drain'
  | 'resume';

/** What a key asks for. */
export type Request =
  | { readonly kind: 'quit' }
  | {
      readonly kind: 'command';
      readonly name: KeyCommand;
      readonly args: readonly string[];
      /** Asked before the command, where the command itself does not ask. */
      readonly before?: 'confirmation' | 'text';
      /** Whether it has the screen for itself, so that nothing is left to read after its end. */
      readonly onScreen?: boolean;
    };

export interface Step {
  readonly model: Model;
  readonly request: Request | null;
}

/** The model before any worker has answered. */
export function start(workers: readonly string[]): Model {
  return {
    workers,
    rows: new Map(),
    selected: null,
    session: null,
    pane: null,
    filter: '',
    mode: 'browse',
    note: '',
  };
}

/** The rows that match the filter, by their groups. A worker that has not answered yet is idle, as far as is known. */
export function visible({
  workers,
  rows,
  filter,
}: Model): { readonly group: Group; readonly rows: readonly Row[] }[] {
  const wanted = filter.toLowerCase();
  const matches = ({ worker, cause, issue, stage }: Row) =>
    `${worker} ${cause} ${issue} ${stage}`.toLowerCase().includes(wanted);
  const all = workers.map((worker) => rows.get(worker) ?? unknown(worker)).filter(matches);
  return GROUPS.map((group) => ({ group, rows: all.filter((row) => row.group === group) })).filter(
    (found) => found.rows.length > 0,
  );
}

function unknown(worker: string): Row {
  return {
    worker,
    group: 'IDLE',
    cause: 'asking…',
    issue: '',
    number: null,
    stage: '',
    age: '',
    behind: 0,
    sessions: [],
    drained: false,
  };
}

/** The selected worker and the session whose pane is shown; null where there is none. */
export function selection(model: Model): { readonly row: Row; readonly session: string | null } | null {
  const rows = listed(model);
  const row = rows.find(({ worker }) => worker === model.selected) ?? rows[0];
  if (row === undefined) return null;
  const chosen = model.session !== null && row.sessions.includes(model.session) ? model.session : null;
  return { row, session: chosen ?? row.sessions[0] ?? null };
}

function listed(model: Model): Row[] {
  return visible(model).flatMap(({ rows }) => rows);
}

/** @returns the model after an event, and what the operator asked for */
export function reduce(model: Model, event: Event): Step {
  switch (event.type) {
    case 'row':
      return stay({ ...model, rows: new Map(model.rows).set(event.row.worker, event.row) });
    case 'pane':
      return stay({ ...model, pane: event.pane });
    case 'note':
      return stay({ ...model, note: event.note });
    case 'key':
      return press({ ...model, note: '', selected: selection(model)?.row.worker ?? null }, event.key);
  }
}

/**
 * @param model before the event
 * @returns whether a worker comes into NEEDS YOU. One that was there when it was first seen is no news.
 */
export function rings({ rows }: Model, event: Event): boolean {
  if (event.type !== 'row' || event.row.group !== 'NEEDS YOU') return false;
  const was = rows.get(event.row.worker)?.group;
  return was !== undefined && was !== 'NEEDS YOU';
}

function stay(model: Model): Step {
  return { model, request: null };
}

function press(model: Model, key: string): Step {
  if (key === 'ctrl-c') return { model, request: { kind: 'quit' } };
  switch (model.mode) {
    case 'filter':
      return stay(typeFilter(model, key));
    case 'help':
      return stay({ ...model, mode: 'browse' });
    case 'browse':
      return browse(model, key);
  }
}

function typeFilter(model: Model, key: string): Model {
  switch (key) {
    case 'return':
      return { ...model, mode: 'browse' };
    case 'escape':
      return { ...model, mode: 'browse', filter: '' };
    case 'backspace':
      return { ...model, filter: [...model.filter].slice(0, -1).join('') };
    case 'up':
      return move(model, -1);
    case 'down':
      return move(model, 1);
    default:
      // Names of keys are longer than one character.
      return [...key].length === 1 ? { ...model, filter: model.filter + key } : model;
  }
}

function browse(model: Model, key: string): Step {
  switch (key) {
    case 'q':
      return { model, request: { kind: 'quit' } };
    case '?':
      return stay({ ...model, mode: 'help' });
    case '/':
      return stay({ ...model, mode: 'filter' });
    case 'escape':
      return stay({ ...model, filter: '' });
    case 'up':
    case 'k':
      return stay(move(model, -1));
    case 'down':
    case 'j':
      return stay(move(model, 1));
    case 'home':
      return stay(move(model, Number.NEGATIVE_INFINITY));
    case 'end':
      return stay(move(model, Number.POSITIVE_INFINITY));
    case 'tab':
    case 'right':
      return stay(otherSession(model, 1));
    case 'left':
      return stay(otherSession(model, -1));
    default:
      return act(model, key);
  }
}

function move(model: Model, by: number): Model {
  const rows = listed(model);
  const at = rows.findIndex(({ worker }) => worker === model.selected);
  const to = rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.worker ?? null;
  return to === model.selected ? model : { ...model, selected: to, session: null };
}

function otherSession(model: Model, by: number): Model {
  const chosen = selection(model);
  if (chosen === null || chosen.session === null) return model;
  const { sessions } = chosen.row;
  const at = sessions.indexOf(chosen.session) + by;
  return { ...model, session: sessions[(at + sessions.length) % sessions.length] ?? null };
}

/** What each key does with the selected worker. */
function act(model: Model, key: string): Step {
  const chosen = selection(model);
  if (chosen === null) return stay(model);
  const { row, session } = chosen;
  const { worker, number } = row;
  const command = (request: Omit<Extract<Request, { kind: 'command' }>, 'kind'>): Step => ({
    model,
    request: { kind: 'command', ...request },
  });
  const needs = (what: string): Step => stay({ ...model, note: `${worker} has no ${what}` });
  switch (key) {
    case 'return':
      if (session === null) return needs('session to attach to');
      return command({ name: 'attach', args: [worker, '--session', session], onScreen: true });
    case 'r':
      if (session === null) return needs('session to look into');
      return command({ name: 'attach', args: [worker, '--session', session, '--read-only'], onScreen: true });
    case 'p':
      if (session === null) return needs('session to show');
      return command({ name: 'peek', args: [worker, '--session', session, '--follow'], onScreen: true });
    case 'l':
      return command({ name: 'logs', args: [worker, ...(session === null ? [] : [session])] });
    case 'w':
      return command({ name: 'why', args: [worker] });
    case 'u':
      if (number === null) return needs('issue to unstick');
      return command({ name: 'unstick', args: [worker, `${number}`] });
    case 'd':
      return command({ name: 'dispatch', args: [worker] });
    case 's':
      if (session === null) return needs('session to type into');
      return command({ name: 'send', args: [worker, session], before: 'text' });
    case 'D':
      return command({ name: row.drained ? 'resume' : 'drain', args: [worker], before: 'confirmation' });
    default:
      return stay(model);
  }
}

/** The keys, for the help. */
export const KEYS: readonly (readonly [key: string, does: string])[] = [
  ['up, down', 'select a worker'],
  ['left, right', 'show another of its sessions'],
  ['/', 'filter by worker, cause, issue or stage; Escape ends the filter'],
  ['Enter', 'attach to the session'],
  ['r', 'attach without typing: only look'],
  ['p', 'peek: the session on the whole screen'],
  ['l', 'logs of the session'],
  ['w', 'why: causes, evidence, next command'],
  ['u', 'unstick the issue'],
  ['d', 'dispatch an issue to the worker'],
  ['s', 'send a text to the session'],
  ['D', 'drain the worker, or resume a drained one'],
  ['q', 'quit'],
];
