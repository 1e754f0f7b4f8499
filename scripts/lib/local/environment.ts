/** The environment of a local worker: complete, private, and independent of who starts it and from where. */
import { userInfo } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { packageRoot } from '../cli/version.ts';
import type { LocalLayout } from './layout.ts';

/** Variables taken from the caller: time zone and network settings. Everything else is ours or left out. */
const FROM_CALLER = [
  'TZ',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  'GIT_SSL_CAINFO',
  'CURL_CA_BUNDLE',
];

/**
 * @param name the worker's name
 * @param binDirs folders that come first on PATH, before the caller's
 * @param caller the environment of the command that prepares the worker; only an allow-list of it is used, so that no
 *   token, no outer tmux and no setting of git, gh, claude or factory gets in
 */
export function localEnvironment(
  layout: LocalLayout,
  name: string,
  binDirs: readonly string[],
  caller: NodeJS.ProcessEnv,
): Record<string, string> {
  const path = workerPath(binDirs, caller['PATH'] ?? '');
  const env: Record<string, string> = {
    HOME: layout.home,
    USER: userInfo().username,
    LOGNAME: userInfo().username,
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TERM: 'xterm-256color',
    PATH: path,
    // Panes are login shells, which reset PATH; their profile restores it from here.
    WORKER_PATH: path,
    TMUX_TMPDIR: layout.socketDir,
    WORKER_NAME: name,
    WORKER_RUNTIME: 'local',
    WORKER_LIB_DIR: join(packageRoot(), 'image', 'lib'),
    ...layout.dirs,
  };
  for (const variable of FROM_CALLER) {
    const value = caller[variable];
    if (value) env[variable] = value;
  }
  return env;
}

/**
 * The worker's PATH, without what npm adds while it runs a script (`node_modules/.bin`) and without relative entries, whose
 * meaning depends on the current folder.
 */
export function workerPath(binDirs: readonly string[], callerPath: string): string {
  const entries = callerPath
    .split(delimiter)
    .filter((entry) => isAbsolute(entry) && !/\/node_modules\/(\.bin$|npm\/|@npmcli\/)/.test(entry));
  return [...new Set([...binDirs, ...entries])].join(delimiter);
}
