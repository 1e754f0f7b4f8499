/**
 * The environment of every program that is started on the laptop. Pure; exec.ts applies it to each start, so that no call
 * can forget it.
 *
 * What the operator exports for their own typing must not change what a call of ours means, or what it prints. What says
 * where things are, how to reach them and who is asking is the operator's to say, and stays:
 *
 *     kept     KUBECONFIG, KUBECACHEDIR, KUBECTL, HELM, DOCKER, HTTP(S)_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR, SSH_AUTH_SOCK,
 *              credentials of clouds, and whatever is not named below
 *
 *     program  variable                            what becomes of it, and why
 *     kubectl  KUBERC                              `off`: kubectl 1.34 and later read ~/.kube/kuberc, whose defaults change calls. With
 *                                                  its documented `delete --interactive=true` a delete says "cancelled" and ends with 0.
 *                                                  (A credentialPluginPolicy in that file is not applied either, as it never is by Helm.)
 *              KUBECTL_*                           removed: switches for features (KUBECTL_KUBERC, KUBECTL_EXTERNAL_DIFF …)
 *              KUBECTL_*_WEBSOCKETS                kept: some proxies let only one of the two protocols through
 *     helm     HELM_KUBE*, HELM_NAMESPACE          removed: another server, identity or namespace than the worker's; HELM_KUBEAPISERVER
 *                                                  wins even over --kube-context
 *              HELM_DEBUG, HELM_COLOR …            removed, as any other HELM_*: more output than is parsed, or fewer revisions kept
 *              HELM_DRIVER*, HELM_*_HOME,          kept: where releases, logins, charts and plugins are
 *              HELM_RE{GISTRY,POSITORY}_*,
 *              HELM_CONTENT_CACHE, HELM_*PLUGINS
 *              HELM_BURST_LIMIT, HELM_QPS          kept: how fast it may ask
 *     git      GIT_*                               removed: GIT_DIR, GIT_WORK_TREE, GIT_INDEX_FILE name another checkout (a hook exports
 *                                                  them), GIT_EXTERNAL_DIFF, GIT_EXEC_PATH other programs
 *              GIT_CONFIG_{GLOBAL,SYSTEM,…}        kept: where the operator's configuration is, with its safe.directory
 *              GIT_SSH*, GIT_SSL_*, GIT_HTTP_*,    kept: the way to a remote
 *              GIT_PROXY_*, GIT_ASKPASS, …
 *              GIT_CONFIG_COUNT, _KEY_n, _VALUE_n  set: no hooks, no fsmonitor, untracked files shown; they win over ~/.gitconfig
 *                                                  (git-config(1), from 2.31)
 *              GIT_OPTIONAL_LOCKS                  `0`: git is only asked, never told to change anything
 *     bash     BASH_ENV, ENV                       removed: files that every script would run first
 *              BASH_FUNC_*                         removed: functions in the place of programs
 *              SHELLOPTS, BASHOPTS,                removed: other rules of the language; CDPATH makes `cd` print
 *              POSIXLY_CORRECT, CDPATH, GLOBIGNORE
 *     tar      TAR_OPTIONS, TAPE                   removed: options and an archive of their own
 *     gzip, xz GZIP, BZIP2, BZIP, XZ_OPT,          removed: likewise
 *              XZ_DEFAULTS
 *     grep     GREP_OPTIONS, GREP_COLOR(S)         removed: likewise
 *     docker   DOCKER_DEFAULT_PLATFORM, BUILDX_*   removed: another platform, other attestations than are asked for
 *              BUILDX_BUILDER, BUILDX_CONFIG,      kept: which Docker and builder; DOCKER_CONTENT_TRUST, what it may pull
 *              other DOCKER_*
 *     all      LC_ALL, LC_*, LANGUAGE              removed, and LANG is `C`: their words and numbers are parsed
 *              LC_CTYPE                            set to what was in effect: names of files stay readable
 *     node     NODE_OPTIONS                        kept: the only Node started here is a local worker's, which has an environment of its own
 *     tmux     TMUX, TMUX_TMPDIR                   kept: likewise
 *
 * The environment of a local worker is made from an allow-list (local/environment.ts), for programs that are the worker's and
 * not ours, such as its agents' git with its hooks: it is left as it is.
 *
 * sqlite3 reads ~/.sqliterc whatever the environment says: its calls need `-init /dev/null`.
 */

/** Removed, unless {@link KEPT} has it as well. */
const REMOVED = anyOf([
  /^KUBECTL_/,
  /^HELM_/,
  /^GIT_/,
  /^(?:BASH_ENV|ENV|SHELLOPTS|BASHOPTS|POSIXLY_CORRECT|CDPATH|GLOBIGNORE|BASH_FUNC_.*)$/,
  /^(?:TAR_OPTIONS|TAPE|GZIP|BZIP2?|XZ_OPT|XZ_DEFAULTS|GREP_OPTIONS|GREP_COLORS?)$/,
  /^(?:DOCKER_DEFAULT_PLATFORM|BUILDX_.*)$/,
  /^(?:LC_.*|LANGUAGE)$/,
]);

const KEPT = anyOf([
  /^KUBECTL_(?:REMOTE_COMMAND|PORT_FORWARD)_WEBSOCKETS$/,
  /^HELM_(?:DRIVER.*|(?:CACHE|CONFIG|DATA)_HOME|REGISTRY_.*|REPOSITORY_.*|CONTENT_CACHE|(?:NO_)?PLUGINS|BURST_LIMIT|QPS)$/,
  /^GIT_(?:CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM)|SSH.*|SSL_.*|HTTP_.*|PROXY_.*|ASKPASS|TERMINAL_PROMPT|ALLOW_PROTOCOL)$/,
  /^BUILDX_(?:BUILDER|CONFIG)$/,
]);

const GIT_CONFIG: readonly (readonly [key: string, value: string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['status.showUntrackedFiles', 'normal'],
];

const SET: NodeJS.ProcessEnv = {
  KUBERC: 'off',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_CONFIG_COUNT: `${GIT_CONFIG.length}`,
  ...Object.fromEntries(
    GIT_CONFIG.flatMap(([key, value], index) => [
      [`GIT_CONFIG_KEY_${index}`, key],
      [`GIT_CONFIG_VALUE_${index}`, value],
    ]),
  ),
  LANG: 'C',
};

/**
 * @param env of the operator, or of a local worker
 * @returns what a program gets; a new object
 */
export function programEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (env['WORKER_RUNTIME'] === 'local') return { ...env };
  const result: NodeJS.ProcessEnv = {};
  for (const name of Object.keys(env)) {
    if (!REMOVED.test(name) || KEPT.test(name)) result[name] = env[name];
  }
  const characters = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'];
  return Object.assign(result, SET, characters && { LC_CTYPE: characters });
}

/** One expression for all: a command may start hundreds of programs. */
function anyOf(patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => source).join('|'));
}
