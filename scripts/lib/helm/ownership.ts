/** What Helm goes by when it decides whether an object is its own. Pure. */

/** Whether an object bears the label that Helm gives to all it makes, and asks for before it takes one over. */
export function isHelms({
  labels,
}: {
  readonly labels?: Readonly<Record<string, string>> | undefined;
}): boolean {
  return labels?.['app.kubernetes.io/managed-by'] === 'Helm';
}
