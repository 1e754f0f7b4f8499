import { describe, expect, it } from 'vitest';
import { chooseDatabase } from '../../../image/supervisor/database/choice.ts';

const given = (wish: string, postgresBuild: boolean | null, urlGiven: boolean) =>
  chooseDatabase({ wish, postgresBuild, urlGiven });

describe('which database a worker has', () => {
  it.each([
    ['', false, false, 'sqlite'],
    // A project's own DATABASE_URL, say: a SQLite build never reads it.
    ['auto', false, true, 'sqlite'],
    ['auto', null, true, 'sqlite'],
    ['auto', true, false, 'postgres'],
    ['auto', true, true, 'url'],
    ['sqlite', false, true, 'sqlite'],
    ['sqlite', null, false, 'sqlite'],
    ['postgres', true, true, 'postgres'],
    ['postgres', null, false, 'postgres'],
    ['url', true, true, 'url'],
  ])('wish "%s", PostgreSQL build %s, URL %s: %s', (wish, build, url, kind) =>
    expect(given(wish, build, url)).toEqual({ kind, refused: null }),
  );

  it.each([
    [
      'sqlite',
      true,
      false,
      /^this build of factory keeps its state in PostgreSQL, .* set to "sqlite": set .* auto/,
    ],
    [
      'postgres',
      false,
      false,
      /^this build of factory keeps its state in SQLite, .* use a build with PostgreSQL$/,
    ],
    ['url', false, true, /^this build of factory keeps its state in SQLite/],
    [
      'url',
      true,
      false,
      /^the worker is set to "url" and there is no DATABASE_URL: add that key to its Secret/,
    ],
    ['mysql', true, false, /^FACTORY_DATABASE is "mysql": use auto, sqlite, postgres, url$/],
  ])('refuses "%s", PostgreSQL build %s, URL %s', (wish, build, url, why) =>
    expect(given(wish, build, url).refused).toMatch(why),
  );
});
