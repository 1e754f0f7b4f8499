/** An `Exec` that starts nothing: it answers from a table and remembers what it was asked. */
import type { Argv, Exec, RunResult } from '../../scripts/lib/exec.ts';

export type Answer = Partial<Omit<RunResult, 'argv' | 'stdout'>> & { readonly stdout?: string | Buffer };

export interface FakeExec extends Exec {
  /** Every argv, in the order in which they were started. */
  readonly calls: Argv[];
}

/** @param answer what each call gives; `{}` is success without a word. Interactive programs end with its `code` */
export function fakeExec(answer: (argv: Argv) => Answer | Promise<Answer> = () => ({})): FakeExec {
  const calls: Argv[] = [];
  return {
    calls,
    async run(argv) {
      calls.push(argv);
      const { stdout = '', ...rest } = await answer(argv);
      return {
        argv,
        code: 0,
        stderr: '',
        timedOut: false,
        aborted: false,
        ...rest,
        stdout: Buffer.from(stdout),
      };
    },
    async stream(argv, { output }) {
      calls.push(argv);
      const { stdout = '', code = 0, stderr = '' } = await answer(argv);
      output.end(stdout);
      return { code, stderr, stalled: false };
    },
    async interactive(argv) {
      calls.push(argv);
      return (await answer(argv)).code ?? 0;
    },
    async detach(argv) {
      calls.push(argv);
      return 1;
    },
    // It can start nothing that serves.
    serve: async () => null,
    async keep() {},
    close() {},
    trace() {},
  };
}
