/** How plans write command lines in these tests, and steps that run nothing. */
import type { Tools } from '../../scripts/lib/lifecycle/tools.ts';
import { type Action, action, type CommandLines, type Run } from '../../scripts/lib/plan.ts';
import { CREATE_ARGS, removeArgs } from '../../scripts/lib/transport/objects.ts';

export const LINES: CommandLines = {
  kubectl: (...args) => ['kubectl', ...args].join(' '),
  helm: (...args) => ['helm', ...args].join(' '),
  ours: (...args) => ['factory-worker', ...args].join(' '),
};

export const nothing: Run = async () => undefined;

/** @param ran gets each command line when it is run */
export function toolsThat(ran: (line: string) => void): Tools {
  const runs = (line: string): Action =>
    action(async () => {
      ran(line);
      return undefined;
    }, line);
  return {
    ...LINES,
    runKubectl: (...args) => runs(LINES.kubectl(...args)),
    runHelm: (args) => runs(LINES.helm(...args)),
    create: (object) => runs(`${LINES.kubectl(...CREATE_ARGS)} <<<'${JSON.stringify(object)}'`),
    remove: (kind, name) => runs(LINES.kubectl(...removeArgs(kind, name))),
  };
}

export const TOOLS = toolsThat(() => {});

export const NOW = new Date('2026-11-22T20:00:00Z');
export const LONG_AGO = '2026-11-21T20:00:00Z';
export const JUST_NOW = '2026-11-22T19:59:30Z';
