/** Writes the JSON that a command prints as YAML. Loaded for `-o yaml` alone. */
import { Document, visit } from 'yaml';
import { escapeControls } from './safe-text.ts';
import type { Sink } from './sink.ts';

/**
 * A value as a YAML document. Read as YAML 1.1 or 1.2 it is the same value; characters that a terminal would not show as they
 * are stand escaped between quotes, as in JSON.
 */
export function renderYaml(value: unknown): string {
  // YAML 1.1 reads `no`, `1:30` and dates as something else than a text: those are quoted.
  const document = new Document(value, { aliasDuplicateObjects: false, compat: 'yaml-1.1' });
  visit(document, {
    Scalar(_, scalar) {
      const { value: text } = scalar;
      // Only between double quotes can a character be escaped.
      if (typeof text === 'string' && isEscaped(text)) scalar.type = 'QUOTE_DOUBLE';
    },
  });
  return escapeControls(
    document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Number.POSITIVE_INFINITY }),
  );
}

/** Whether JSON shows some of the characters escaped, besides quotes and line breaks. A tab is safe, but easily lost. */
const isEscaped = (text: string) => text.includes('\t') || escapeControls(text) !== text;

/** A sink for the documents of a command that believes to print JSON, each written at once; YAML separates them by `---`. */
export function yamlSink(sink: Sink): Sink {
  let first = true;
  const write = (json: string) => {
    sink.write(`${first ? '' : '---\n'}${renderYaml(JSON.parse(json))}`);
    first = false;
  };
  return Object.create(sink, { write: { value: write } }) as Sink;
}
