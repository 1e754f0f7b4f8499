/**
 * Which project of vitest a test file belongs to: what it needs, told by its name or its folder. A new file is `unit` unless
 * it says otherwise. test/README.md explains them; projects.test.ts proves that every file has exactly one.
 */

/** Patterns from the top of the checkout; whatever matches none of them is `unit`. */
export const PROJECTS = {
  /** Every command once, as a program, on one real local worker. */
  smoke: ['test/**/*.smoke.test.ts'],
  /** The charts, with Helm. */
  chart: ['test/charts/**/*.test.ts'],
  /** The contract of `factory`, with the stand-in or FACTORY_BIN. */
  contract: ['test/contract/**/*.test.ts'],
  /** Every command against a worker that lies, on a clock of its own: in processes that nothing else has used. */
  hostile: ['test/hostile/**/*.test.ts'],
  /** Kills at random moments, on ten real workers at once. */
  recovery: ['test/recovery/**/*.test.ts'],
  /** Real workers, tmux and real time. */
  worker: ['test/**/*.worker.test.ts'],
} as const;

export type Project = keyof typeof PROJECTS | 'unit';

/** They have configurations of their own: `make test-image`, `make e2e`, `make test-agents`. */
export const ELSEWHERE = ['test/image/**', 'test/e2e/**', 'test/agents/**'];

export const ALL = ['test/**/*.test.ts'];

/** The patterns of a project, as vitest takes them. */
export function filesOf(project: Project): { readonly include: string[]; readonly exclude: string[] } {
  if (project !== 'unit') return { include: [...PROJECTS[project]], exclude: ELSEWHERE };
  return { include: ALL, exclude: [...ELSEWHERE, ...Object.values(PROJECTS).flat()] };
}
