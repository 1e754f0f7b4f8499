/** A question of the real claude that outlasts every limit of `factory`, in dialects A and B of the stand-in for that. */
import { describe, it } from 'vitest';
import { makeAskingWorker, playQuestion } from '../local/question.ts';
import { answerFirstStart, COMMIT, claude, PATIENT } from './local-worker.ts';
import { ask, question } from './screens.ts';
import { messagesServer } from './server.ts';

/** Longer than with the stand-in: until it asks, claude itself may be slow on a busy machine. */
const LIMIT_SECONDS = 40;

describe.concurrent.each(['a', 'b'] as const)('claude asks, dialect %s', (dialect) => {
  it('and gets its answer after every limit has passed', { timeout: 300_000 }, async (test) => {
    const server = await messagesServer();
    test.onTestFinished(() => server.close());
    server.answer = (asked) =>
      asked.includes('"id":"toolu_AskUserQuestion"') ? COMMIT : ask(question('Which colour?'));
    const worker = makeAskingWorker(test, dialect, {
      claude: claude(server.url),
      standin: PATIENT,
      limitSeconds: LIMIT_SECONDS,
    });
    answerFirstStart(worker);
    await playQuestion(worker, LIMIT_SECONDS);
  });
});
