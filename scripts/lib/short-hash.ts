/** Short hashes of secrets, by which the laptop and the worker compare what each has. Shared with the supervisor. */
import { createHash } from 'node:crypto';

/** The first digits of a token's SHA-256: enough to tell two apart, and useless to an attacker. */
export function shortHash(value: string): string {
  // As the wrappers read it: without the newline that editors add.
  const token = value.replaceAll(/[\r\n]/g, '');
  return token === '' ? '-' : createHash('sha256').update(token).digest('hex').slice(0, 8);
}
