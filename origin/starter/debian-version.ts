/**
 * Debian's version numbers (deb-version(7)): their order, and the upstream version in them, which
 * names of store paths have.
 */

/**
 * Weight of a character of a non-digit part in comparisons: `~` sorts before the end of the part,
 * letters before all other characters.
 */
function weight(char: string | undefined): number {
  if (char === undefined) return 0;
  if (char === "~") return -1;
  if (/[A-Za-z]/.test(char)) return char.charCodeAt(0);
  return char.charCodeAt(0) + 256;
}

const isDigit = (char: string | undefined): boolean =>
  char !== undefined && char >= "0" && char <= "9";

/** As dpkg's verrevcmp: parts without digits compare by weight, then parts of digits by number. */
function compareParts(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a[i])) || (j < b.length && !isDigit(b[j]))) {
      const difference =
        weight(isDigit(a[i]) ? undefined : a[i]) - weight(isDigit(b[j]) ? undefined : b[j]);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
    let first = "";
    let second = "";
    while (isDigit(a[i])) first += a[i++];
    while (isDigit(b[j])) second += b[j++];
    const difference = BigInt(first || 0) - BigInt(second || 0);
    if (difference !== 0n) return difference < 0n ? -1 : 1;
  }
  return 0;
}

function split(version: string): { epoch: number; upstream: string; revision: string } {
  const [, epoch = "0", rest = version] = /^(\d+):(.*)$/s.exec(version) ?? [];
  const dash = rest.lastIndexOf("-");
  return dash < 0
    ? { epoch: Number(epoch), upstream: rest, revision: "" }
    : { epoch: Number(epoch), upstream: rest.slice(0, dash), revision: rest.slice(dash + 1) };
}

/** Negative, zero or positive, in the order of `dpkg --compare-versions`. */
export function compareVersions(a: string, b: string): number {
  const x = split(a);
  const y = split(b);
  return (
    x.epoch - y.epoch ||
    compareParts(x.upstream, y.upstream) ||
    compareParts(x.revision, y.revision)
  );
}

/**
 * The version that upstream gave it: `1:2.39.5-0+deb12u3` → `2.39.5`. With it, names of store paths
 * can be matched across revisions. `22.01+really26.01+dfsg` is version 26.01: what counts
 * stands after `+really`.
 */
export function upstreamVersion(version: string): string {
  const { upstream } = split(version);
  const real = upstream.replace(/^.*\+really/, "");
  const bare = real.replace(
    /[+~.-]?(dfsg|ds|debian|deb\d|b\d|repack|git|nmu|svn|bzr|hg|cvs)(?=[\d.+~-]|$).*$/,
    "",
  );
  return (bare || real).replace(/[^A-Za-z0-9+._-]/g, "-").replace(/^(?=\D)/, "0");
}
