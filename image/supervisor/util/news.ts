/**
 * Says a thing once: what goes wrong at every beat for an hour is one line in the log, and so is its coming back later.
 *
 * @param say gets a text that differs from the one before it; an empty text means "all is well" and is not said
 */
export function createNews(say: (text: string) => void): (text: string) => void {
  let last = '';
  return (text) => {
    if (text !== last && text !== '') say(text);
    last = text;
  };
}
