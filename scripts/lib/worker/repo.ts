/** Compares the repository of a clone with one that is named. Pure. */

/** Whether the origin of a clone is the given repository; each may be `owner/name` on GitHub or any form of URL. */
export function isSameRepo(origin: string, repo: string): boolean {
  return repoPlace(origin) === repoPlace(repo);
}

/** Whether the origin is on a host, so that its owner is known; a path on a disk says nothing about that. */
export function hasHost(origin: string): boolean {
  return origin !== '' && !/^(?:file:|[/.~])/.test(origin);
}

/** `host/path` of a repository, without protocol, user and port; the bare path of one on a disk. */
function repoPlace(repo: string): string {
  const path = repo.replace(/(?:\.git)?(?<!\/)\/*$/, '').toLowerCase();
  if (/^[\w.-]+\/[\w.-]+$/.test(path)) return `github.com/${path}`;
  return path
    .replace(/^\w+:\/\//, '')
    .replace(/^[^/@]*@/, '')
    .replace(/^([^/:]+):(?:\d+\/|\/)?/, '$1/');
}
