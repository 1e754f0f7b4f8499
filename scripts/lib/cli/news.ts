/** Progress messages while a command waits: each is printed once, however often it polls. */

/** Ages grow between two polls; that alone is not news. */
const withoutAges = (text: string) => text.replaceAll(/(?<!\d)\d+[smhd]\b/g, '');

/**
 * @param say gets a message that differs from the previous one
 * @param essence the part of a message to compare; by default all of it except ages
 * @returns call it with the message of each poll; an empty one prints nothing, and the next one is printed in any case
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
