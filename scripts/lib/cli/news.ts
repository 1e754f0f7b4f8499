/** What is told while one waits: each news once, however often one looks. */

/** Ages grow at each look, and are no news. */
const withoutAges = (text: string) => text.replaceAll(/(?<!\d)\d+[smhd]\b/g, '');

/**
 * @param say hears what is news: not what was said last
 * @param essence what makes a text news; by default all of it but its ages
 * @returns takes what one look found; an empty text says nothing, and makes what was said last news again
 */
export function onlyNews(
  say: (text: string) => void,
  essence: (text: string) => string = withoutAges,
): (text: string) => void {
  let last = '';
  return (text) => {
    const news = essence(text);
    if (news !== last && text !== '') say(text);
    last = news;
  };
}
