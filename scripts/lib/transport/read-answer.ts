/**
 * Reads the JSON that kubectl and Helm print, where it arrives. It may be cut: kubectl can report success for a stream that was
 * (kubernetes/kubernetes#73056). What does not have the shape of such an answer is an error with a sentence; nothing later can
 * trip over it.
 */
import type { AnswerName } from './answer-schemas.ts';
import { TransportError } from './transport.ts';
import { validator } from './validate-answers.ts';

/**
 * @param name of its schema
 * @param whose name of the worker, for messages
 * @param text what was printed
 * @throws TransportError `broken` when it is not JSON, or does not fit
 */
export function readAnswer<T>(name: AnswerName, whose: string, text: string): T {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new TransportError('broken', `the connection to ${whose} broke before its answer was whole`);
  }
  return checkAnswer<T>(name, whose, document);
}

/**
 * The same for a document that is parsed already, such as one of a manifest.
 *
 * @throws TransportError `broken` when it does not fit
 */
export function checkAnswer<T>(name: AnswerName, whose: string, document: unknown): T {
  const validate = validator(name);
  if (validate(document)) return document as T;
  const [misfit] = validate.errors ?? [];
  const path = (misfit?.instancePath ?? '')
    .replaceAll(/\/(\d+)/g, '[$1]')
    .replaceAll('/', '.')
    .replace(/^\./, '');
  throw new TransportError(
    'broken',
    `what the cluster says of ${whose} is not as expected${path === '' ? '' : `: ${path.slice(0, 200)} does not fit`}`,
  );
}
