/**
 * The environment of every program that is started on the laptop. Pure; exec.ts applies it to each start, so that no call
 * can forget it. One table for all programs, since they start each other: bash git and docker, docker git, kubectl a login
 * plugin.
 *
 * What the operator exports for their own typing must not change what a call of ours means, or what it prints. What says
 * where things are, how to reach them and who is asking is the operator's to say: KUBECONFIG, KUBECTL, HELM, DOCKER, proxies,
 * certificates, SSH_AUTH_SOCK, credentials of clouds, and whatever is not named here, are kept.
 *
 *     variable                          becomes   why
 *     KUBERC                            off       kubectl 1.34 and later read ~/.kube/kuberc, whose defaults change calls: with
 *                                                 the documented `delete --interactive=true` a delete prints "cancelled" and
 *                                                 ends with 0. (Its credentialPluginPolicy does not hold then: see doctor.)
 *     KUBECTL_*                         -         switches of features: KUBECTL_KUBERC, KUBECTL_EXTERNAL_DIFF …
 *     KUBECTL_*_WEBSOCKETS              kept      some proxies let only one of the two protocols through
 *     HELM_*                            -         HELM_KUBE* and HELM_NAMESPACE name another server, identity or namespace
 *                                                 (HELM_KUBEAPISERVER wins over --kube-context); HELM_DEBUG prints more than
 *                                                 is parsed; HELM_MAX_HISTORY keeps fewer revisions to go back to
 *     HELM_DRIVER*, HELM_*_HOME,        kept      where releases, logins, charts and plugins are
 *     HELM_REGISTRY_*, HELM_REPOSITORY_*,
 *     HELM_CONTENT_CACHE, HELM_*PLUGINS
 *     HELM_BURST_LIMIT, HELM_QPS        kept      how fast it may ask
 *     GIT_*                             -         GIT_DIR, GIT_WORK_TREE and GIT_INDEX_FILE, which hooks export, name another
 *                                                 checkout; GIT_EXEC_PATH and GIT_EXTERNAL_DIFF other programs
 *     GIT_CONFIG_GLOBAL, _SYSTEM,       kept      where the configuration is, with its safe.directory
 *     _NOSYSTEM
 *     GIT_SSH*, GIT_SSL_*, GIT_HTTP_*,  kept      the way to a remote
 *     GIT_PROXY_*, GIT_ASKPASS,
 *     GIT_TERMINAL_PROMPT,
 *     GIT_ALLOW_PROTOCOL
 *     GIT_CONFIG_COUNT, _KEY_n,         set       no hooks, no fsmonitor, untracked files shown; wins over ~/.gitconfig
 *     _VALUE_n                                    (git-config(1); git 2.31)
 *     GIT_OPTIONAL_LOCKS                0         git is only asked here: it need not refresh its index
 *     BASH_ENV, ENV                     -         files that each script would run first
 *     BASH_FUNC_*                       -         functions in the place of programs
 *     SHLVL                             1         where there is none: a bash that no shell has started, and whose stdin is a
 *                                                 socket as Node makes them, believes that it is a remote login and runs
 *                                                 ~/.bashrc (bash(1), INVOCATION)
 *     SHELLOPTS, BASHOPTS,              -         other rules of the language; with CDPATH, `cd` prints
 *     POSIXLY_CORRECT, CDPATH, GLOBIGNORE
 *     TAR_OPTIONS, TAPE, GZIP, BZIP,    -         options of tar, of what it compresses with, and of grep
 *     BZIP2, XZ_OPT, XZ_DEFAULTS,
 *     GREP_OPTIONS, GREP_COLOR(S)
 *     DOCKER_DEFAULT_PLATFORM,          -         another platform, other attestations than are asked for
 *     BUILDX_*
 *     BUILDX_BUILDER, BUILDX_CONFIG,    kept      which Docker and builder; DOCKER_CONTENT_TRUST, what it may pull
 *     other DOCKER_*
 *     LC_*, LANGUAGE                    -         with LANG: words and numbers are parsed, and quoted in English sentences
 *     LANG                              C
 *     LC_CTYPE                          set       to what was in effect: names of files stay readable
 *     NODE_OPTIONS, TMUX, TMUX_TMPDIR   kept      Node and tmux are started for local workers alone
 *
 * The environment of a local worker is made from an allow-list (local/environment.ts), and its programs are the worker's and
 * not ours, such as its agents' git with its hooks: it is left as it is, but for SHLVL.
 *
 * No variable keeps sqlite3 from ~/.sqliterc: its calls need `-init /dev/null`.
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

const NESTED: NodeJS.ProcessEnv = { SHLVL: '1' };

/**
 * @param env of the operator, or of a local worker
 * @returns what a program gets; a new object
 */
export function programEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const result: NodeJS.ProcessEnv = {};
  if (env['WORKER_RUNTIME'] === 'local') return Object.assign(result, NESTED, env);
  for (const name of Object.keys(env)) {
    if (!REMOVED.test(name) || KEPT.test(name)) result[name] = env[name];
  }
  Object.assign(result, SET);
  if (!(Number(env['SHLVL']) > 0)) Object.assign(result, NESTED);
  const characters = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'];
  if (characters) result['LC_CTYPE'] = characters;
  return result;
}

/** One expression for all: a command may start hundreds of programs. */
function anyOf(patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => source).join('|'));
}
