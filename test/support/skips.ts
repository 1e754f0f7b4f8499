/** A reporter: at the end, one line for each reason why tests were skipped. A skipped test without a reason fails the run. */
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';

export default class Skips implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  #say(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const reasons = new Map<string, number>();
    const unexplained: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const reason = reasonOf(test);
        // Where a file has failed, that is why.
        if (reason === undefined && module.state() !== 'failed')
          unexplained.push(`${module.relativeModuleId} > ${test.fullName}`);
        if (reason !== undefined) {
          const line = `needs ${reason} (${module.relativeModuleId})`;
          reasons.set(line, (reasons.get(line) ?? 0) + 1);
        }
      }
    }
    for (const [line, count] of reasons)
      this.#say(`skipped ${count === 1 ? '1 test' : `${count} tests`}: ${line}`);
    // With -t, whatever was not asked for is skipped too.
    if (unexplained.length === 0 || this.#vitest?.getGlobalTestNamePattern()) return;
    for (const name of unexplained) this.#say(`skipped without a reason, see test/support/needs.ts: ${name}`);
    process.exitCode = 1;
  }
}

function reasonOf(test: TestCase): string | undefined {
  for (let task: TestCase | TestSuite | TestModule = test; task.type !== 'module'; task = task.parent) {
    const { skipped } = task.meta();
    if (skipped !== undefined) return skipped;
  }
  return undefined;
}
