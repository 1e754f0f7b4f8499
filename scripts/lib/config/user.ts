/** The operator's name, for the records on a worker. */
import { hostname, userInfo } from 'node:os';

/** `user@host`. */
export function userAtHost(): string {
  return `${username()}@${hostname()}`;
}

function username(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in the password database, as in containers.
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
