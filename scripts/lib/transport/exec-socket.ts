/** A program in a pod, over one WebSocket: one that prints and ends, or one that stays and answers requests. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { RunResult } from '../exec.ts';
import { endOfProgram } from './api-status.ts';
import {
  bounded,
  collect,
  type HttpAnswer,
  type RequestOptions,
  type Silence,
  whyNot,
} from './bounded-request.ts';

/** What a program has printed, and its end, as a kubectl would report it. An answer to a request ends with code 0. */
export type Ending = Pick<RunResult, 'code' | 'stdout' | 'stderr'>;

/** A request to a program that stays. */
export interface ProgramRequest {
  /** For its stdin; null for the one with which it is started. */
  readonly text: string | null;
  /** Whether the answer has come to its end. @param latest what came last, with up to {@link END_BYTES} bytes before it */
  readonly isWhole: (latest: string) => boolean;
}

export interface ExecSocket {
  /** Whether it can be asked: neither the program nor its connection has ended. */
  readonly isOpen: boolean;
  /**
   * Waits for what the program prints. Without a whole answer the connection ends. While it is not asked, it does not keep this
   * process from ending.
   *
   * @param request to a program that stays; null to wait for the end of one that does not
   */
  ask(request: ProgramRequest | null, options: RequestOptions): Promise<Ending | HttpAnswer | Silence>;
  end(): void;
}

/** The protocol of exec: it has a channel for the end of the program. */
export const EXEC_PROTOCOL = 'v5.channel.k8s.io';

/** The channels of a connection, by the first byte of each message. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3 } as const;

/** The most that is read of stderr, of the end of a program, and of a refusal. */
const WORDS_BYTES = 64 * 1024;

/** More than the end of an answer has, which may come in two messages. */
const END_BYTES = 128;

/**
 * How often the other side is asked whether it is there, and after which silence it is gone: as kubectl does (client-go,
 * remotecommand). A program may say nothing for minutes, a load balancer ends what is idle for one, and an end that gets lost on
 * its way would not be noticed.
 */
const HEARTBEAT: Heartbeat = { everyMs: 5_000, goneAfterMs: 61_000 };

export interface Heartbeat {
  readonly everyMs: number;
  readonly goneAfterMs: number;
}

/** @param socket being connected, over `connection` */
export function execSocket(socket: WebSocket, connection: Socket, heartbeat = HEARTBEAT): ExecSocket {
  let isOpen = true;
  /** Null while it is not asked: what it prints then answers nothing, and is not kept. */
  let answer: Answer | null = null;
  socket.on('message', (message: Buffer) => answer?.read(message));
  socket.on('close', (code) => {
    isOpen = false;
    answer?.close(code);
  });
  socket.on('unexpected-response', (_request, response: IncomingMessage) => {
    isOpen = false;
    void collect(response, WORDS_BYTES).then((refusal) => answer?.settle(refusal));
  });
  socket.on('error', (error) => {
    isOpen = false;
    answer?.settle(whyNot(error));
  });
  const end = () => {
    isOpen = false;
    socket.terminate();
  };
  return {
    get isOpen() {
      return isOpen;
    },
    async ask(request, options) {
      connection.ref();
      const endHeartbeat = beginHeartbeat(socket, heartbeat);
      const settled = await bounded<Ending | HttpAnswer | Silence>(options, (settle, onStop) => {
        answer = readAnswer(request, options.maxBytes, settle);
        onStop(() => {
          answer = null;
        });
        // A program is asked once it has answered: it is connected.
        const text = request?.text ?? null;
        if (text !== null) socket.send(Buffer.concat([Buffer.of(CHANNEL.stdin), Buffer.from(text)]));
      });
      endHeartbeat();
      if (request === null || !('code' in settled)) end();
      connection.unref();
      return settled;
    },
    end,
  };
}

/** @returns what ends it */
function beginHeartbeat(socket: WebSocket, { everyMs, goneAfterMs }: Heartbeat): () => void {
  let heardAt = performance.now();
  const hear = () => {
    heardAt = performance.now();
  };
  socket.on('pong', hear).on('message', hear);
  const beat = setInterval(() => {
    // Its time limit bounds how long it connects.
    if (socket.readyState !== socket.OPEN) hear();
    else if (performance.now() - heardAt > goneAfterMs) socket.terminate();
    else socket.ping();
  }, everyMs);
  return () => {
    clearInterval(beat);
    socket.off('pong', hear).off('message', hear);
  };
}

/** An answer while it comes in. */
interface Answer {
  read(message: Buffer): void;
  /** @param code with which the connection was closed */
  close(code: number): void;
  settle(value: Ending | HttpAnswer | Silence): void;
}

function readAnswer(request: ProgramRequest | null, maxBytes: number, settle: Answer['settle']): Answer {
  const stdout: Buffer[] = [];
  let bytes = 0;
  let before = Buffer.alloc(0);
  const words = { stderr: Buffer.alloc(0), error: Buffer.alloc(0) };
  const add = (channel: 'stderr' | 'error', text: Buffer) => {
    words[channel] = Buffer.concat([words[channel], text]).subarray(-WORDS_BYTES);
  };
  const printed = () => ({ stdout: Buffer.concat(stdout), stderr: words.stderr.toString('utf8') });
  const isWhole = (content: Buffer) => {
    if (request === null) return false;
    const latest = Buffer.concat([before, content]);
    before = latest.subarray(-END_BYTES);
    return request.isWhole(latest.toString('latin1'));
  };
  return {
    read(message) {
      const content = message.subarray(1);
      switch (message[0]) {
        case CHANNEL.stdout:
          bytes += content.length;
          if (bytes > maxBytes) {
            settle({ silence: 'overflow' });
            return;
          }
          stdout.push(content);
          if (isWhole(content)) settle({ code: 0, ...printed() });
          break;
        case CHANNEL.stderr:
          add('stderr', content);
          break;
        case CHANNEL.error:
          add('error', content);
          break;
      }
    },
    close(code) {
      const { stdout, stderr } = printed();
      const end = endOfProgram(words.error.toString('utf8'), code);
      settle({ ...end, stdout, stderr: stderr + end.stderr });
    },
    settle,
  };
}
