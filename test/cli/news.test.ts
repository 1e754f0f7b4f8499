import { describe, expect, it } from 'vitest';
import { onlyNews } from '../../scripts/lib/cli/news.ts';

describe('what is told while one waits', () => {
  it.each([
    ['each news once', ['a', 'a', 'b', 'a'], ['a', 'b', 'a']],
    ['not an age that has grown', ['waits for #23 (59s)', 'waits for #23 (2m)'], ['waits for #23 (59s)']],
    ['nothing for nothing, after which the same is news', ['', 'a', '', 'a'], ['a', 'a']],
  ])('%s', (_, texts, expected) => {
    const said: string[] = [];
    const say = onlyNews((text) => said.push(text));
    texts.forEach(say);
    expect(said).toEqual(expected);
  });

  it('is news by what the caller takes for it', () => {
    const said: string[] = [];
    const say = onlyNews(
      (text) => said.push(text),
      (text) => text.slice(0, 1),
    );
    ['a1', 'a2', 'b1'].forEach(say);
    expect(said).toEqual(['a1', 'b1']);
  });
});
