/**
 * Records what the pane of every session prints, since `factory` saves a session's log only when it ends the session itself.
 * tmux pipes a pane into a FIFO, the supervisor redacts and writes: one `cat` per pane, and no unredacted byte on disk.
 */
import { closeSync, constants, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { knownSecrets } from '../../../scripts/lib/tokens.ts';
import type { Effects, TmuxPane } from '../effects/effects.ts';
import type { Environment } from '../environment.ts';
import { messageOf } from '../util/errors.ts';
import { createNews } from '../util/news.ts';
import { createRedactor, type Redactor } from './redact.ts';
import { OWN_SESSIONS } from './sessions.ts';

/** Per file; one previous file is kept. */
const LIMIT_BYTES = 5 * 1024 * 1024;
/** Programs print a token without a pause; after one, the text held back is safe to write. */
const FLUSH_MS = 1_500;
/** The last data of a FIFO's writer arrives immediately; the limit is for a writer that does not end. */
const END_MS = 1_000;
/** When there are more recordings, the oldest are removed. */
const MOST_FILES = 200;

/** Below WORKER_RUN_DIR. */
const FIFOS = 'panes';

interface Recording {
  readonly socket: Socket;
  /** Keeps the FIFO open: until this is closed no end-of-file is reported, neither before the first writer nor after the last. */
  readonly keeper: number;
  readonly redactor: Redactor;
  readonly file: string;
  timer: NodeJS.Timeout | undefined;
}

export interface PaneRecorder {
  /**
   * Starts recording new panes and stops for those that are gone. Calls must not overlap: both would start recording the
   * same pane.
   */
  maintain(panes: readonly TmuxPane[]): Promise<void>;
  /** Ends every recording, after writing the text that is still held back. */
  close(): Promise<void>;
}

/** A key of the Secret whose value is not secret: a name, and part of addresses. */
const PUBLIC_KEY = 'GH_USER';

export function createPaneRecorder(
  { dirs }: Environment,
  { clock, files, log, processes, tmux }: Pick<Effects, 'clock' | 'files' | 'log' | 'processes' | 'tmux'>,
): PaneRecorder {
  const recordings = new Map<string, Recording>();
  const folder = join(dirs.WORKER_STATE_DIR, 'logs', 'sessions');
  const fifos = join(dirs.WORKER_RUN_DIR, FIFOS);
  // On a full volume the pane continues; only its recording has a gap.
  const complain = createNews(log.line);

  /** All keys of the Secret, without the links with which Kubernetes replaces the whole folder. */
  const known = (): string[] =>
    knownSecrets(
      files
        .list(dirs.WORKER_SECRETS_DIR)
        .filter((key) => key !== PUBLIC_KEY && !key.startsWith('..'))
        .map((key) => files.read(join(dirs.WORKER_SECRETS_DIR, key)) ?? ''),
    );

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
    const redactor = createRedactor(known);
    const socket = new Socket({ fd: descriptor, readable: true, writable: false });
    const file = join(folder, `${session}.log`);
    const recording: Recording = { socket, keeper, redactor, file, timer: undefined };
    // A chunk may end inside a character; the decoder keeps its first bytes.
    socket.setEncoding('utf8');
    const record = (text: string): void => {
      write(recording.file, redactor.push(text));
      clearTimeout(recording.timer);
      recording.timer = setTimeout(() => write(recording.file, redactor.flush()), FLUSH_MS);
    };
    socket.on('data', record);
    socket.on('error', () => socket.destroy());
    recordings.set(pane, recording);
    // Its output so far, unless an earlier supervisor has recorded it.
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
    async maintain(panes) {
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
 * The first pane of each session, which is its agent's: tmux numbers panes in ascending order. Panes that a person opens
 * besides are not recorded.
 */
function agentPanes(panes: readonly TmuxPane[]): TmuxPane[] {
  const number = ({ id }: TmuxPane) => Number(id.slice(1));
  const first = new Map<string, TmuxPane>();
  for (const pane of panes.toSorted((a, b) => number(a) - number(b))) {
    if (!first.has(pane.session)) first.set(pane.session, pane);
  }
  return [...first.values()];
}
