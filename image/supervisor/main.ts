/** Entry point: the environment, the real effects, the signals. */
import { hostname } from 'node:os';
import { createEffects } from './effects/system.ts';
import { readEnvironment } from './environment.ts';
import { partsOf } from './parts.ts';
import { createSupervisor } from './supervisor.ts';
import { messageOf } from './util/errors.ts';

async function main(): Promise<void> {
  const environment = readEnvironment(process.env, process.ppid, hostname());
  const effects = createEffects(environment);
  const supervisor = createSupervisor(environment, effects, partsOf(environment, effects, process.env));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => supervisor.stop(signal));
  // A bug in one place must not end a worker full of sessions: every loop continues at its next iteration.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      process.stderr.write(`supervisor: ${error instanceof Error ? error.stack : error}\n`);
    });
  }
  await supervisor.run();
}

try {
  await main();
  // Something still running (a clone that does not stop) must not delay the exit.
  process.exit(0);
} catch (error) {
  process.stderr.write(`supervisor: ${messageOf(error)}\n`);
  process.exit(1);
}
