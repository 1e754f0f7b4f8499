/** Why a database that the operator named cannot be used. Pure. */

export interface UrlTrouble {
  /** After "the database in DATABASE_URL". */
  readonly what: string;
  readonly cure: string;
}

const TROUBLES: readonly (UrlTrouble & { readonly pattern: RegExp })[] = [
  {
    pattern: /no pg_hba\.conf entry/,
    what: 'does not let the worker in',
    cure: 'allow its address and user on the server (pg_hba.conf, or the trusted sources of a managed one)',
  },
  {
    pattern: /SQLSTATE 28|password authentication failed|no password supplied/,
    what: 'refuses its user or password',
    cure: 'give the user that password on the server (ALTER ROLE), or correct DATABASE_URL',
  },
  {
    pattern: /SQLSTATE 3D000|database "[^"]*" does not exist/,
    what: 'is not there',
    cure: 'create it on the server (CREATE DATABASE), or correct DATABASE_URL',
  },
  {
    pattern: /SQLSTATE 42501|permission denied/,
    what: 'does not let its user make tables',
    cure: 'make the user its owner: ALTER DATABASE … OWNER TO …',
  },
  {
    pattern: /SQLSTATE 53300|too many (connections|clients)/,
    what: 'has no connection free',
    cure: 'raise max_connections on the server, or end what holds its connections',
  },
  {
    pattern: /\b(tls|TLS|SSL|x509|certificate)\b/,
    what: 'cannot be reached: the two do not agree on encryption',
    cure: 'set sslmode in DATABASE_URL as the server wants it, for example ?sslmode=require',
  },
  {
    pattern: /cannot parse|not of the form/,
    what: 'cannot be used: it is not the URL of one',
    cure: 'write postgres://USER:PASSWORD@HOST:PORT/DATABASE',
  },
  {
    pattern: /hostname resolving|no such host|could not translate host/,
    what: 'cannot be reached: the name of its server is unknown to the worker',
    cure: 'correct the host in DATABASE_URL, or the name service of the worker',
  },
  {
    pattern: /failed to connect|ping database|dial |connection (refused|reset)|timed? ?out|unreachable/i,
    what: 'cannot be reached',
    cure: 'start its server, and let connections from the worker through its firewall; or correct DATABASE_URL',
  },
];

/** @param says what factory, or the supervisor, says of it @returns null when it is none that is known */
export function urlTrouble(says: string): UrlTrouble | null {
  return TROUBLES.find(({ pattern }) => pattern.test(says)) ?? null;
}
