/** Follows a log over lost connections and new pods. */
import { ExitCode } from '../cli/errors.ts';
import { onlyNews } from '../cli/news.ts';
import { pause } from '../cli/pause.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { createReach } from '../worker/observe.ts';
import type { Log } from './choose-log.ts';
import type { LogText } from './log-text.ts';
import type { Answer, Position } from './source.ts';
import { absent, findLog, type LogSource, nextPiece } from './source.ts';

/** Between two looks with --follow. */
const FOLLOW_MS = 1_000;
/** Between two tries to reconnect. */
const RECONNECT_MS = 3_000;
/** The recorder writes a session's last output within seconds of its end (its FLUSH_MS, and its round). */
const LAST_WORDS_LOOKS = 6;
/** An incomplete line is shown after this many looks in which it has not grown. */
const HELD_LOOKS = 2;

/**
 * Shows a log as it grows. A piece counts once its answer arrived completely; a lost one is requested again from the same
 * position, so that nothing is shown twice or left out.
 *
 * @returns the exit code, once the session has ended
 * @throws InterruptedError at Ctrl-C
 */
export async function follow(source: LogSource, text: LogText): Promise<number> {
  const { context, worker } = source;
  const { stdout, stderr, signal } = context;
  const say = onlyNews((line) => stderr.write(`${line}\n`));
  let transport: Transport | null = null;
  let log: Log | null = null;
  let position: Position | null = null;
  let quiet = 0;
  let pod = '';
  for (;;) {
    try {
      if (transport === null) {
        const entrance = await createReach(context, source.timeoutMs).enter(worker);
        transport = entrance.transport;
        if (pod !== '' && entrance.pod !== null && entrance.pod.name !== pod) {
          stderr.write(`the pod was replaced: ${entrance.pod.name}\n`);
        }
        pod = entrance.pod?.name ?? '';
      }
      log ??= await findLog(source, transport);
      const answer: Answer = await nextPiece(source, transport, log, position);
      say(answer.piece === null ? `waiting: ${absent(source, log, answer).message}` : '');
      if (answer.piece?.cut)
        stderr.write('note: the log begins anew here; something before it may be missing\n');
      const bytes = answer.piece?.bytes ?? Buffer.alloc(0);
      position = answer.piece?.position ?? position;
      quiet = bytes.length > 0 ? 0 : quiet + 1;
      stdout.write(text.push(bytes) + (quiet >= HELD_LOOKS ? text.flush() : ''));
      if (answer.ended && quiet >= LAST_WORDS_LOOKS) {
        stderr.write(`${log.kind === 'session' ? log.name : source.wanted} has ended\n`);
        return ExitCode.ok;
      }
      if (!answer.piece?.more) await pause(FOLLOW_MS, signal);
    } catch (error) {
      if (!(error instanceof TransportError) || !error.mayPass) throw error;
      say(`${error.message}; waiting to go on (Ctrl-C ends)`);
      transport = null;
      await pause(RECONNECT_MS, signal);
    }
  }
}
