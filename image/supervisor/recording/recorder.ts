/**
 * Records what every pane prints, since `factory` saves a session's log only when it ends it itself. tmux pipes a pane into
 * a FIFO, the supervisor redacts and writes: one `cat` per pane, and no unredacted byte reaches a disk.
 */
import { closeSync, constants, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Effects } from '../effects.ts';
import type { Environment } from '../environment.ts';
import type { Panes } from '../panes.ts';
import { createRedactor, type Redactor, secretPattern } from './redact.ts';

/** Per file; the one before it is kept once. */
const LIMIT_BYTES = 5 * 1024 * 1024;
/** A token is typed by a program, at once; after a pause what is held back may be written. */
const FLUSH_MS = 1_500;
/** Recordings of sessions long gone: the oldest go when there are more. */
const MOST_FILES = 200;

/** Below WORKER_RUN_DIR. */
const FIFOS = 'panes';

interface Recording {
  readonly socket: Socket;
  readonly redactor: Redactor;
  readonly file: string;
  timer: NodeJS.Timeout | undefined;
}

export interface PaneRecorder {
  /** Takes up panes that are not recorded yet and lets go of those that are gone. Repeated. */
  tend(): Promise<void>;
}

const SECRETS = ['CLAUDE_CODE_OAUTH_TOKEN', 'GH_TOKEN'];

/** @param ours sessions that only show files which are there anyway */
export function createPaneRecorder(
  { dirs }: Environment,
  { files, log, processes }: Pick<Effects, 'files' | 'log' | 'processes'>,
  panes: Panes,
  ours: ReadonlySet<string>,
): PaneRecorder {
  const recordings = new Map<string, Recording>();
  const folder = join(dirs.WORKER_STATE_DIR, 'logs', 'sessions');
  const fifos = join(dirs.WORKER_RUN_DIR, FIFOS);
  let complained = false;

  const pattern = (): RegExp =>
    secretPattern(SECRETS.map((name) => (files.read(join(dirs.WORKER_SECRETS_DIR, name)) ?? '').trim()));

  const write = (file: string, text: string): void => {
    if (text === '') return;
    try {
      if (files.size(file) > LIMIT_BYTES) files.rename(file, `${file}.1`);
      files.append(file, text);
      complained = false;
    } catch (error) {
      // A full volume: the pane goes on, only its record has a gap.
      if (!complained) log.line(`cannot record a pane: ${error instanceof Error ? error.message : error}`);
      complained = true;
    }
  };

  const begin = async (pane: string, session: string): Promise<void> => {
    const fifo = join(fifos, pane.replace('%', ''));
    await files.remove(fifo);
    const made = await processes.run(['mkfifo', '--mode=0600', fifo], { timeoutMs: 5_000 });
    if (made.code !== 0) throw new Error(`mkfifo: ${made.stderr.trim()}`);
    // For reading and writing: it then opens without a writer and never reports an end.
    const descriptor = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const redactor = createRedactor(pattern);
    let socket: Socket;
    try {
      socket = new Socket({ fd: descriptor, readable: true, writable: false });
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    const recording: Recording = { socket, redactor, file: join(folder, `${session}.log`), timer: undefined };
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
    if (!files.exists(recording.file)) record((await panes.capture(pane)).trimEnd());
    await panes.pipe(pane, join(FIFOS, pane.replace('%', '')));
  };

  const end = async (pane: string, { socket, redactor, file, timer }: Recording): Promise<void> => {
    clearTimeout(timer);
    socket.destroy();
    write(file, redactor.flush());
    recordings.delete(pane);
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

  const look = async (): Promise<void> => {
    const living = await panes.list();
    const present = new Set(living.map(({ id }) => id));
    for (const [pane, recording] of recordings) if (!present.has(pane)) await end(pane, recording);
    const wanting = living.filter(
      ({ id, session, dead }) => !dead && !ours.has(session) && !recordings.has(id),
    );
    if (wanting.length === 0) return;
    files.makeDirectory(folder);
    files.makeDirectory(fifos);
    for (const { id, session } of wanting) await begin(id, session);
    await prune();
  };

  let looking: Promise<void> | null = null;
  return {
    // One after the other: two at once would both take up the same pane.
    async tend() {
      await looking?.catch(() => {});
      looking ??= look().finally(() => {
        looking = null;
      });
      await looking;
    },
  };
}
