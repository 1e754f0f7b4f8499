/** An interrupted queue with the real claude, in dialects A and B of the stand-in for factory, or with a real one. */
import { describe, it } from 'vitest';
import {
  AT,
  makeInterruptedWorker,
  NEW_TOKEN,
  playInterruptedQueue,
  QUEUE_MS,
  STRETCH_MS,
} from '../local/interrupted-queue.ts';
import { answerFirstStart, COMMIT, DIALECTS, PATIENT, programs, SLOWER } from './local-worker.ts';
import { ask, error, limit, question } from './screens.ts';
import { type Answer, messagesServer } from './server.ts';

/** Answers what is asked for an issue as the API does whose token, limit or model interrupts the queue. */
function createAnswer(): (asked: string, token: string) => Answer {
  let tokenExpired = false;
  /** In seconds since the epoch; 0 before the limit is hit. */
  let resetAt = 0;
  return (asked, token) => {
    const issue = Number(/Issue #(\d+):/.exec(asked)?.[1]);
    const now = Date.now() / 1000;
    if (issue === AT.refused) tokenExpired = true;
    if (issue === AT.limit && resetAt === 0) resetAt = Math.floor(now) + 60;
    if (tokenExpired && token !== NEW_TOKEN)
      return error(401, 'authentication_error', 'Invalid bearer token');
    if (now < resetAt) return limit('five_hour', { reset: `${resetAt}` });
    const answered = asked.includes('"id":"toolu_AskUserQuestion"');
    return issue === AT.question && !answered ? ask(question('Which colour?')) : COMMIT;
  };
}

describe.concurrent.each(DIALECTS)('ten issues, dialect %s', (dialect) => {
  it('complete without an operator, but for an answer', { timeout: QUEUE_MS * SLOWER }, async (test) => {
    const server = await messagesServer();
    test.onTestFinished(() => server.close());
    server.answer = createAnswer();
    const worker = makeInterruptedWorker(test, dialect, () => programs(server.url), {
      STANDIN_FACTORY_POLL_SECONDS: '2',
      ...PATIENT,
    });
    answerFirstStart(worker);
    await playInterruptedQueue(test, worker, STRETCH_MS * SLOWER);
  });
});
