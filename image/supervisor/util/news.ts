/**
 * Logs repeated texts once: an error that occurs every few seconds for an hour is one line, and another one when it comes back.
 *
 * @param say called with a text that differs from the previous one; an empty text means "no error" and is not logged
 */
export function createNews(say: (text: string) => void): (text: string) => void {
  let last = '';
  return (text) => {
    if (text !== last && text !== '') say(text);
    last = text;
  };
}
