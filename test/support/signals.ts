/**
 * A signal goes to what a test has started, and to nothing else. The number in a file that is not written yet is 0, and
 * process 0 is the whole group: vitest, make and what called them would end without a word. −1 is everything there is.
 */
const send = process.kill;

function kill(pid: number, signal?: string | number): true {
  if (!Number.isInteger(pid) || Math.abs(pid) <= 1) throw new RangeError(`${pid} is no process to signal`);
  return send.call(process, pid, signal);
}

// Files that share a process share it.
if (!('guarded' in send)) process.kill = Object.assign(kill, { guarded: true });
