/**
 * Parses and validates the JSON that kubectl and Helm print. It may be cut: kubectl can report success for a stream that was
 * (kubernetes/kubernetes#73056). An invalid answer becomes an error with a message here, and cannot cause failures later.
 */
import type { AnswerName } from './answer-schemas.ts';
import { TransportError } from './transport.ts';
import { validator } from './validate-answers.ts';

/**
 * @param name of the schema
 * @param whose name of the worker, for messages
 * @param text the output
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
 * The same for a parsed document, such as one from a manifest.
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
    `the cluster's answer about ${whose} is not as expected${path === '' ? '' : `: ${path.slice(0, 200)} does not fit`}`,
  );
}
