/**
 * Path parameters. Names and references have no character that needs encoding, but some clients
 * write `sha256%3A…`.
 */

/** The parameter decoded; as it is when its encoding is broken, for the grammar to refuse it. */
export function decoded(parameter: string | undefined): string {
  const text = parameter ?? "";
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
