/**
 * The pods of a namespace as the API server's watch tells them, from a list on. A watch that has ended, or that has not been
 * heard of for a while, knows nothing: the list is read again.
 */
import type { Context } from '../cli/command.ts';
import { LIMITS } from '../exec.ts';
import type { PodList, PodObject } from './pods.ts';
import type { KubectlProxy } from './proxy.ts';
import { checkAnswer } from './read-answer.ts';
import { TransportError } from './transport.ts';

export interface PodWatch {
  /** @returns null when they have to be read again */
  pods(): readonly PodObject[] | null;
  /** Whether it tells nothing any more, and another one might. */
  readonly over: boolean;
  end(): void;
}

/** How long the API server lets a watch be: what it would not tell, such as a right that was withdrawn, shows at the next list. */
const LONGEST_SECONDS = 300;

interface Options {
  /** How long the watch may be silent: no longer than a list may take to fail. */
  readonly silentMs: number;
  readonly now: Context['now'];
}

/** @returns the path of a watch that begins where a list of that version ends */
export function watchPath(listPath: string, resourceVersion: string): string {
  const query = new URLSearchParams({
    watch: '1',
    resourceVersion,
    // Now and then the API server says also that there is no news.
    allowWatchBookmarks: 'true',
    timeoutSeconds: `${LONGEST_SECONDS}`,
  });
  return `${listPath}?${query}`;
}

/**
 * @param path of the watch
 * @param list as it was just read
 */
export function watchPods(
  proxy: Pick<KubectlProxy, 'follow'>,
  path: string,
  { items }: PodList,
  { silentMs, now }: Options,
): PodWatch {
  const pods = new Map(items.map((pod) => [pod.metadata.name, pod]));
  let state: 'begins' | 'lives' | 'over' | 'refused' = 'begins';
  let heardAt = now().getTime();
  const end = () => {
    if (state !== 'refused') state = 'over';
    pods.clear();
    stop();
  };
  const heard = () => {
    heardAt = now().getTime();
  };
  const isSilent = () => {
    const ms = now().getTime() - heardAt;
    // Less than nothing: the clock was put back.
    return ms < 0 || ms >= silentMs;
  };
  const stop = proxy.follow(path, {
    maxBytes: LIMITS.stdoutBytes,
    onBegin() {
      state = 'lives';
      heard();
    },
    onLine(line) {
      if (apply(pods, line)) heard();
      else end();
    },
    onEnd(status) {
      if (isRefusal(status)) state = 'refused';
      end();
    },
  });
  const endIfSilent = () => {
    if ((state === 'begins' || state === 'lives') && isSilent()) end();
  };
  return {
    pods() {
      endIfSilent();
      return state === 'lives' ? [...pods.values()] : null;
    },
    get over() {
      endIfSilent();
      return state === 'over';
    },
    end,
  };
}

/** Whether the API server, or what stands before it, lets nobody watch here. */
function isRefusal(status: number): boolean {
  // Those pass: who asks is to show a new credential; the server was slow; the list is too old; there is too much to do.
  return status >= 400 && status < 500 && ![401, 408, 410, 429].includes(status);
}

/** @returns whether the line told of a pod, or that there is no news */
function apply(pods: Map<string | undefined, PodObject>, line: string): boolean {
  try {
    const event: unknown = JSON.parse(line);
    const { type, object } = checkAnswer<WatchEvent>('watch-event', 'the cluster', event);
    // Its object is no pod: there is nothing in it but a version.
    if (type === 'BOOKMARK') return true;
    // ERROR, with a Status: usually "410 Gone", when too much has happened since the list.
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return false;
    const pod = checkAnswer<PodObject>('object', 'the cluster', object);
    if (type === 'DELETED') pods.delete(pod.metadata.name);
    else pods.set(pod.metadata.name, pod);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TransportError) return false;
    throw error;
  }
}

interface WatchEvent {
  readonly type: string;
  readonly object: object;
}
