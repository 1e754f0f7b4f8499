/** A question of the real claude that outlasts every limit of `factory`: the stand-in's dialects A and B, or a real one. */
import { describe, it } from 'vitest';
import { makeAskingWorker, playQuestion } from '../local/question.ts';
import { answerFirstStart, COMMIT, DIALECTS, PATIENT, programs, SLOWER } from './local-worker.ts';
import { ask, question } from './screens.ts';
import { messagesServer } from './server.ts';

/** Longer than with the stand-in: until it asks, claude itself may be slow on a busy machine. */
const LIMIT_SECONDS = 40 * SLOWER;

describe.concurrent.each(DIALECTS)('claude asks, dialect %s', (dialect) => {
  it('and gets its answer after every limit has passed', { timeout: 300_000 * SLOWER }, async (test) => {
    const server = await messagesServer();
    test.onTestFinished(() => server.close());
    server.answer = (asked) =>
      asked.includes('"id":"toolu_AskUserQuestion"') ? COMMIT : ask(question('Which colour?'));
    const worker = makeAskingWorker(test, dialect, {
      programs: programs(server.url),
      standin: PATIENT,
      limitSeconds: LIMIT_SECONDS,
    });
    answerFirstStart(worker);
    await playQuestion(worker, LIMIT_SECONDS);
  });
});
