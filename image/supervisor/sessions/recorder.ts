/**
 * Records what the pane of every session prints, since `factory` saves a session's log only when it ends it itself. tmux pipes a pane into
 * a FIFO, the supervisor redacts and writes: one `cat` per pane, and no unredacted byte reaches a disk.
 */
import { closeSync, constants, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Effects, TmuxPane } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import { messageOf } from '../util/errors.ts';
import { createNews } from '../util/news.ts';
import { createRedactor, type Redactor, secretPattern } from './redact.ts';
import { OWN_SESSIONS } from './sessions.ts';

/** Per file; the one before it is kept once. */
const LIMIT_BYTES = 5 * 1024 * 1024;
/** A token is typed by a program, at once; after a pause what is held back may be written. */
const FLUSH_MS = 1_500;
/** What the writer of a FIFO has taken but not handed on yet arrives at once; this is for one that does not end. */
const END_MS = 1_000;
/** Recordings of sessions long gone: the oldest go when there are more. */
const MOST_FILES = 200;

/** Below WORKER_RUN_DIR. */
const FIFOS = 'panes';

interface Recording {
  readonly socket: Socket;
  /** Holds the FIFO open: until it is closed no end is reported, neither before the first writer nor after the last. */
  readonly keeper: number;
  readonly redactor: Redactor;
  readonly file: string;
  timer: NodeJS.Timeout | undefined;
}

export interface PaneRecorder {
  /**
   * Takes up panes that are not recorded yet and lets go of those that are gone. One call after the other: two at once
   * would both take up the same pane.
   */
  tend(panes: readonly TmuxPane[]): Promise<void>;
  /** Ends every recording; what is still held back is written. */
  close(): Promise<void>;
}

const SECRETS = ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN'];

export function createPaneRecorder(
  { dirs }: Environment,
  { clock, files, log, processes, tmux }: Pick<Effects, 'clock' | 'files' | 'log' | 'processes' | 'tmux'>,
): PaneRecorder {
  const recordings = new Map<string, Recording>();
  const folder = join(dirs.WORKER_STATE_DIR, 'logs', 'sessions');
  const fifos = join(dirs.WORKER_RUN_DIR, FIFOS);
  // A full volume: the pane goes on, only its record has a gap.
  const complain = createNews(log.line);

  const pattern = (): RegExp =>
    secretPattern(SECRETS.map((name) => (files.read(join(dirs.WORKER_SECRETS_DIR, name)) ?? '').trim()));

  const write = (file: string, text: string): void => {
    if (text === '') return;
    try {
      if (files.size(file) > LIMIT_BYTES) files.rename(file, `${file}.1`);
      files.append(file, text);
      complain('');
    } catch (error) {
      complain(`cannot record a pane: ${messageOf(error)}`);
    }
  };

  const begin = async (pane: string, session: string): Promise<void> => {
    const fifo = join(fifos, pane.replace('%', ''));
    await files.remove(fifo);
    const made = await processes.run(['mkfifo', '--mode=0600', fifo], { timeoutMs: 5_000 });
    if (made.code !== 0) throw new Error(`mkfifo: ${made.stderr.trim()}`);
    const keeper = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const descriptor = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const redactor = createRedactor(pattern);
    const socket = new Socket({ fd: descriptor, readable: true, writable: false });
    const file = join(folder, `${session}.log`);
    const recording: Recording = { socket, keeper, redactor, file, timer: undefined };
    // In pieces of bytes a character may be cut in two; the decoder keeps the first half.
    socket.setEncoding('utf8');
    const record = (text: string): void => {
      write(recording.file, redactor.push(text));
      clearTimeout(recording.timer);
      recording.timer = setTimeout(() => write(recording.file, redactor.flush()), FLUSH_MS);
    };
    socket.on('data', record);
    socket.on('error', () => socket.destroy());
    recordings.set(pane, recording);
    // What it has printed so far, unless an earlier supervisor has recorded that.
    if (!files.exists(recording.file)) record((await tmux.capture(pane)).trimEnd());
    await tmux.pipe(pane, join(FIFOS, pane.replace('%', '')));
  };

  const end = async (pane: string, recording: Recording): Promise<void> => {
    const { socket, keeper, redactor, file } = recording;
    recordings.delete(pane);
    const ended = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
    closeSync(keeper);
    await Promise.race([ended, clock.sleep(END_MS)]);
    socket.destroy();
    clearTimeout(recording.timer);
    write(file, redactor.flush());
    await files.remove(join(fifos, pane.replace('%', '')));
  };

  const prune = async (): Promise<void> => {
    const names = files.list(folder);
    if (names.length <= MOST_FILES) return;
    const oldest = names
      .map((name) => ({ name, at: statSync(join(folder, name)).mtimeMs }))
      .toSorted((a, b) => a.at - b.at);
    for (const { name } of oldest.slice(0, names.length - MOST_FILES)) await files.remove(join(folder, name));
  };

  return {
    async tend(panes) {
      const present = new Set(panes.map(({ id }) => id));
      for (const [pane, recording] of recordings) if (!present.has(pane)) await end(pane, recording);
      const wanting = agentPanes(panes).filter(
        ({ id, session, dead }) => !dead && !OWN_SESSIONS.has(session) && !recordings.has(id),
      );
      if (wanting.length === 0) return;
      files.makeDirectory(folder);
      files.makeDirectory(fifos);
      for (const { id, session } of wanting) await begin(id, session);
      await prune();
    },
    async close() {
      await Promise.all([...recordings].map(([pane, recording]) => end(pane, recording)));
    },
  };
}

/**
 * Of each session the pane that it was made with, its agent's: tmux counts panes up. What a person opens beside it is no
 * part of the record.
 */
function agentPanes(panes: readonly TmuxPane[]): TmuxPane[] {
  const number = ({ id }: TmuxPane) => Number(id.slice(1));
  const first = new Map<string, TmuxPane>();
  for (const pane of panes.toSorted((a, b) => number(a) - number(b))) {
    if (!first.has(pane.session)) first.set(pane.session, pane);
  }
  return [...first.values()];
}
