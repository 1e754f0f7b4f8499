/** Every public command, by name; its code is loaded only when it is used. */
import { type Load, loading } from './lib/cli/command.ts';
import type { Flags } from './lib/cli/flags.ts';
import { ALIASES, type CommandName } from './summaries.ts';

const entry = <F extends Flags>(load: Load<F>) => ({ load: loading(load) });

export const COMMANDS: Readonly<Record<string, { readonly load: Load }>> = {
  ui: entry(async () => (await import('./ui.ts')).ui),
  list: entry(async () => (await import('./list.ts')).list),
  status: entry(async () => (await import('./status.ts')).status),
  why: entry(async () => (await import('./why.ts')).why),
  usage: entry(async () => (await import('./usage.ts')).usage),
  watch: entry(async () => (await import('./watch.ts')).watchWorkers),
  dispatch: entry(async () => (await import('./dispatch.ts')).dispatch),
  queue: entry(async () => (await import('./queue.ts')).queue),
  projects: entry(async () => (await import('./projects.ts')).projects),
  unstick: entry(async () => (await import('./unstick.ts')).unstick),
  wait: entry(async () => (await import('./wait.ts')).wait),
  sessions: entry(async () => (await import('./sessions.ts')).sessions),
  peek: entry(async () => (await import('./peek.ts')).peek),
  attach: entry(async () => (await import('./attach.ts')).attach),
  answer: entry(async () => (await import('./answer.ts')).answer),
  send: entry(async () => (await import('./send.ts')).send),
  logs: entry(async () => (await import('./logs.ts')).logs),
  exec: entry(async () => (await import('./exec.ts')).exec),
  shell: entry(async () => (await import('./shell.ts')).shell),
  cp: entry(async () => (await import('./cp.ts')).cp),
  'port-forward': entry(async () => (await import('./port-forward.ts')).portForward),
  provision: entry(async () => (await import('./provision.ts')).provision),
  stop: entry(async () => (await import('./stop.ts')).stop),
  start: entry(async () => (await import('./start.ts')).start),
  resize: entry(async () => (await import('./resize.ts')).resize),
  drain: entry(async () => (await import('./drain.ts')).drain),
  resume: entry(async () => (await import('./resume.ts')).resume),
  rotate: entry(async () => (await import('./rotate.ts')).rotate),
  backup: entry(async () => (await import('./backup.ts')).backup),
  restore: entry(async () => (await import('./restore.ts')).restore),
  cleanup: entry(async () => (await import('./cleanup.ts')).cleanup),
  retire: entry(async () => (await import('./retire.ts')).retire),
  'build-push-rollout': entry(async () => (await import('./build-push-rollout.ts')).buildPushRollout),
  rollback: entry(async () => (await import('./rollback.ts')).rollback),
  releases: entry(async () => (await import('./releases.ts')).releases),
  doctor: entry(async () => (await import('./doctor.ts')).doctor),
  workers: entry(async () => (await import('./workers.ts')).workers),
  local: entry(async () => (await import('./local.ts')).local),
  'shell-init': entry(async () => (await import('./shell-init.ts')).shellInit),
} satisfies Record<CommandName, unknown>;

/** @returns the loader of the command with that name or alias; null when there is none */
export function loaderOf(word: string): Load | null {
  const name = Object.hasOwn(ALIASES, word) ? (ALIASES[word] ?? word) : word;
  return Object.hasOwn(COMMANDS, name) ? (COMMANDS[name]?.load ?? null) : null;
}
