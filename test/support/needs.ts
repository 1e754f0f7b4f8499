/** What a test needs of the machine. A test that is skipped says so at the end of the run (skips.ts). */

declare module 'vitest' {
  interface TaskMeta {
    /** What was missing. */
    skipped?: string;
  }
}

/**
 * The options of a test, or of a `describe`, that cannot run everywhere:
 *
 *     it('leaves somebody else’s file alone', needs(isRoot, 'root'), async () => { … });
 *
 * @param there whether this machine has it
 * @param what its name, as it stands after "needs"
 */
export function needs(there: boolean, what: string): { skip?: true; meta?: { skipped: string } } {
  return there ? {} : { skip: true, meta: { skipped: what } };
}

export const isRoot = process.getuid?.() === 0;
