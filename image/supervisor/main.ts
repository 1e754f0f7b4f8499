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
  // A worker full of sessions must not end over a mistake in one place: every loop goes on at its next turn.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      process.stderr.write(`supervisor: ${error instanceof Error ? error.stack : error}\n`);
    });
  }
  await supervisor.run();
}

try {
  await main();
  // What is still under way (a clone that does not want to end) must not keep us.
  process.exit(0);
} catch (error) {
  process.stderr.write(`supervisor: ${messageOf(error)}\n`);
  process.exit(1);
}
