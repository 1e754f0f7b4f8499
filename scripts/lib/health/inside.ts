/** What `why` reads in a worker in addition to its snapshot: parses the answer of scripts/remote/why.sh. */

import { maskTokens } from '../tokens.ts';
import type { Frame } from '../transport/frame.ts';
import { type Disk, parseDisks } from '../worker/disk.ts';
import { type InTheWay, parseInTheWay } from '../worker/in-the-way.ts';
import { type CgroupMemory, parseMemory } from '../worker/memory.ts';

export interface PaneView {
  readonly session: string;
  /** The program in the foreground. */
  readonly program: string;
  /** Its last lines, without blank ones and with tokens masked. */
  readonly lines: readonly string[];
}

export interface Network {
  readonly name: string;
  readonly mtu: number;
}

export interface Docker {
  /** Null while it does not answer. */
  readonly driver: string | null;
  /** The file system under its folder; null when unknown. */
  readonly below: string | null;
  /** Its error message; empty when it answers. */
  readonly error: string;
  /** Null when unknown. */
  readonly podMtu: number | null;
  readonly networks: readonly Network[];
}

/** A process that the kernel killed for lack of memory. */
export interface Kill {
  readonly program: string;
  readonly pid: number;
  /** Whether the limit of Docker's cgroup was reached, not that of the whole pod. */
  readonly atDockersLimit: boolean;
}

export interface Inside {
  /** Sessions that factory considers human-driven. */
  readonly human: ReadonlySet<string>;
  /** Sessions of stages in which only the shell is left that started the agent. */
  readonly loneShells: ReadonlySet<string>;
  /** Lines of the loop's log: the last failures of issues, oldest first. */
  readonly failures: readonly string[];
  /** Leftovers that keep issues from starting and are not ours to remove. */
  readonly inTheWay: ReadonlyMap<number, InTheWay>;
  readonly memory: { readonly pod: CgroupMemory | null; readonly docker: CgroupMemory | null };
  /** Processes of this pod that the kernel's log says it has killed, oldest first. */
  readonly kills: readonly Kill[];
}

/** @param frame the answer of scripts/remote/why.sh */
export function parseInside(frame: Frame): Inside {
  const text = (part: string) => frame.parts.get(part)?.text ?? '';
  const lines = (part: string) =>
    text(part)
      .split('\n')
      .filter((line) => line !== '');
  const memory = parseMemory(text('memory'));
  return {
    human: new Set(
      numbered(frame, 'human')
        .filter(isHuman)
        .map((text) => text.split('\n')[0] ?? ''),
    ),
    loneShells: new Set(lines('lone-shells')),
    failures: lines('failures'),
    inTheWay: parseInTheWay(frame),
    memory: { pod: memory.get('pod') ?? null, docker: memory.get('docker') ?? null },
    kills: lines('oom').map(parseKill),
  };
}

/** Parses the panes of a worker. @param frame the answer of a script that ends with the function `show_panes` */
export function parsePanes(frame: Frame): PaneView[] {
  return numbered(frame, 'pane').map(parsePane);
}

/** @param text what `factory session status NAME --detect-human` printed */
export function isHuman(text: string): boolean {
  return /^(?:Human:\s*true|State:\s*human_input)$/m.test(text);
}

/** The texts of `NAME.0`, `NAME.1` and so on. */
function numbered(frame: Frame, name: string): string[] {
  const texts: string[] = [];
  for (let part = frame.parts.get(`${name}.0`); part; part = frame.parts.get(`${name}.${texts.length}`)) {
    texts.push(part.text);
  }
  return texts;
}

function parsePane(text: string): PaneView {
  const [head = '', ...shown] = text.split('\n');
  const [session = '', program = ''] = head.split('\t');
  return { session, program, lines: paneLines(shown.join('\n')) };
}

/** The lines of a captured pane, without blank ones and with tokens masked. */
export function paneLines(text: string): string[] {
  return maskTokens(text)
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
}

/** @returns null when the script did not ask: a local worker has no Docker of its own, and others may have it off */
export function parseDocker(frame: Frame): Docker | null {
  const info = frame.parts.get('docker');
  if (info === undefined) return null;
  const networks = parseNetworks(frame);
  const failed = info.rc !== 0;
  return {
    driver: failed ? null : (/^driver=(.*)$/m.exec(info.text)?.[1] ?? null),
    below: /^below=(.+)$/m.exec(info.text)?.[1] ?? null,
    error: failed ? frame.parts.get('docker.error')?.text.trim() || `docker info ended with ${info.rc}` : '',
    ...networks,
  };
}

/** Parses what the function `docker_networks` in scripts/remote/docker.sh printed. */
export function parseNetworks(frame: Frame): Pick<Docker, 'podMtu' | 'networks'> {
  const text = frame.parts.get('docker-networks')?.text ?? '';
  const [pod, ...rest] = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '));
  return {
    podMtu: Number(pod?.[1]) || null,
    // Docker's default is 1500.
    networks: rest.map(([name = '', mtu]) => ({ name, mtu: Number(mtu) || 1500 })),
  };
}

/** The disks in the part of that name. */
export function disksOf(frame: Frame): Disk[] {
  return parseDisks(frame.parts.get('disks')?.text ?? '');
}

/** @param line of the kernel: `oom-kill:constraint=…,oom_memcg=/…/docker,task_memcg=/…,task=node,pid=7,uid=0` */
function parseKill(line: string): Kill {
  const field = (name: string) => new RegExp(`[,:]${name}=([^,]*)`).exec(line)?.[1] ?? '';
  return {
    program: field('task') || 'a process',
    pid: Number(/^\d{1,10}$/.exec(field('pid'))?.[0] ?? 0),
    atDockersLimit: /\/docker(?:\/|$)/.test(field('oom_memcg')),
  };
}
