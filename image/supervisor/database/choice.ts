/** Which database a worker has. Pure: the phase `database` asks once, when the worker boots. */
import type { DatabaseKind } from '../../../scripts/lib/contract.ts';

const WISHES = ['auto', 'sqlite', 'postgres', 'url'] as const;

export interface ChoiceInput {
  /** FACTORY_DATABASE, which the chart sets from `database.kind`; empty means `auto`. */
  readonly wish: string;
  /** Whether the program has the PostgreSQL driver in it; null when it could not be asked. */
  readonly postgresBuild: boolean | null;
  /** Whether the operator has given a DATABASE_URL. */
  readonly urlGiven: boolean;
}

export interface Choice {
  readonly kind: DatabaseKind;
  /** Why this cannot work, and what to do; null when it can. */
  readonly refused: string | null;
}

/** `auto` follows the program: a SQLite build never reads DATABASE_URL, so one in its Secret is not for it. */
export function chooseDatabase({ wish, postgresBuild, urlGiven }: ChoiceInput): Choice {
  const wanted = WISHES.find((known) => known === (wish || 'auto'));
  if (wanted === undefined)
    return { kind: 'sqlite', refused: `FACTORY_DATABASE is "${wish}": use ${WISHES.join(', ')}` };
  if (wanted === 'auto')
    return { kind: postgresBuild ? (urlGiven ? 'url' : 'postgres') : 'sqlite', refused: null };
  return { kind: wanted, refused: mismatch(wanted, postgresBuild, urlGiven) };
}

function mismatch(kind: DatabaseKind, postgresBuild: boolean | null, urlGiven: boolean): string | null {
  const needed = kind !== 'sqlite';
  if (postgresBuild !== null && postgresBuild !== needed) {
    const [has, other] = postgresBuild ? ['PostgreSQL', 'SQLite'] : ['SQLite', 'PostgreSQL'];
    return `this build of factory keeps its state in ${has}, and the worker is set to "${kind}": set database.kind (FACTORY_DATABASE) to auto, or use a build with ${other}`;
  }
  if (kind === 'url' && !urlGiven)
    return 'the worker is set to "url" and there is no DATABASE_URL: add that key to its Secret, then restart it';
  return null;
}
