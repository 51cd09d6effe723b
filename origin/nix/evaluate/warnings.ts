/**
 * A package set's warnings about a name (nixpkgs' lib.warn), mostly that a package was renamed.
 *
 *   trace: warning: 'oldgit' has been renamed to 'git'       Nix 2.8, Lix
 *   evaluation warning: 'oldgit' has been renamed to 'git'   builtins.warn of newer Nix
 *
 * Several names are evaluated together, and what they share is evaluated once, so the order of the
 * output does not tell to which name a warning belongs. It belongs to the name at its beginning;
 * other warnings are ignored. So all origins report the same, whatever they evaluate together.
 */

const WARNING = /^(?:trace: warning|evaluation warning|warning): (.*)$/;
/** Longest warning that is passed on, characters. */
const MAX_WARNING = 500;

/** The first warning in the log about an attribute (`xorg.xeyes`); undefined if there is none. */
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
