/** What is said of the open rows of a queue in SQLite that is imported. */
import type { Context } from '../cli/command.ts';
import { printable } from '../cli/text.ts';
import type { ImportedRow } from '../contract.ts';

export const rowName = ({ issue, project }: ImportedRow) => `${printable(project)}#${issue}`;

/** What has become of a row that was not added; null of one that was. @param worker its name */
export function describeFate(
  row: ImportedRow,
  worker: string,
  commandLine: Context['commandLine'],
): string | null {
  if (row.fate === 'add') return null;
  if (row.fate === 'goes-on') return `${rowName(row)} goes on by its pipeline, without a row in the queue`;
  const typed = commandLine('dispatch', worker, '--project', row.project, '--issue', `${row.issue}`);
  return `${rowName(row)} was left out, since it waits for an issue that has failed; to start it all the same: ${typed}`;
}
