/**
 * What a package set warns of when a name is evaluated (nixpkgs' lib.warn): mostly that it is an
 * old name of something else.
 *
 *   trace: warning: 'oldgit' has been renamed to 'git'       Nix 2.8, Lix
 *   evaluation warning: 'oldgit' has been renamed to 'git'   builtins.warn of newer Nix
 *
 * Several names are evaluated at once, and Nix computes what they share once. So a warning is the
 * name's that it begins with, wherever it stands, and every other one is nobody's: then all origins
 * say the same of a package, whatever it was evaluated with.
 */

const WARNING = /^(?:trace: warning|evaluation warning|warning): (.*)$/;
/** Longest warning that is passed on, characters. */
const MAX_WARNING = 500;

/** The set's warning of an attribute (`xorg.xeyes`), in one line; undefined when it has none. */
export function warningOf(attribute: string, log: readonly string[]): string | undefined {
  const last = attribute.split(".").at(-1) ?? attribute;
  const names = [attribute, last].map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const begins = new RegExp(
    `^(?:the )?(?:package |attribute )?["'\`]?(?:${names.join("|")})(?![\\w-])`,
    "i",
  );
  for (const line of log) {
    const text = WARNING.exec(line)?.[1]?.trim();
    if (text !== undefined && begins.test(text)) return text.slice(0, MAX_WARNING);
  }
  return undefined;
}
