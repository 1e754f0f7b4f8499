/**
 * What the kernel's out-of-memory killer picks. In a pod every process has the score 990 and nested containers have 0: under
 * memory pressure the kernel killed dockerd, tmux and the supervisor, never the process that used the memory. So the worker's
 * essential processes get a low score, and what runs in the panes keeps the pod's. Pod only.
 */
import type { Files, Processes, TmuxServer } from './effects/effects.ts';
import { setScore } from './effects/oom-score.ts';

/** Programs that the kernel should spare. */
const SPARED = ['dockerd', 'containerd'];
const LOW = '-500';
/** Going below the score that a process started with needs CAP_SYS_RESOURCE; zero still helps. */
const LOW_ENOUGH = '0';

/** Gives a process the low score. What it starts afterwards inherits it. */
export function spare(files: Files, pid: number): void {
  if (!setScore(files, pid, LOW)) setScore(files, pid, LOW_ENOUGH);
}

/**
 * Spares PID 1 and ourselves.
 *
 * @param podScore the score that panes keep
 * @param noteFile where login shells read it (image/etc/profile.d/worker-shell.sh)
 * @returns a function that spares the servers and gives the pod's score to what runs in the panes; to be called repeatedly
 */
export function createOom(
  { files, processes }: { files: Files; processes: Processes },
  podScore: string,
  noteFile: string,
): (server: TmuxServer | null) => void {
  spare(files, 1);
  spare(files, process.pid);
  let noted = false;

  return (server) => {
    if (!noted) files.write(noteFile, `${podScore}\n`);
    noted = true;
    for (const pid of processes.find(([program = '']) => SPARED.includes(program.split('/').at(-1) ?? ''))) {
      spare(files, pid);
    }
    if (server === null) return;
    spare(files, server.pid);
    const leaders = server.panes.map(({ pid }) => pid);
    for (const { pid } of processes.inTerminalSessions(leaders)) setScore(files, pid, podScore);
  };
}
