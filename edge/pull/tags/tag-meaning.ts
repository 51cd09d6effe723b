/** Explains what tags mean for a package set; part of every error about a tag. */
import { type ChannelSet, filesOf, type PackageSetSpec } from "../../contract/package-set.ts";

/** Which tags this package set has, and how to pin a revision, for people. */
export function tagMeaning(packageSet: PackageSetSpec): string {
  const files = filesOf(packageSet);
  const text = TAGS_OF[files.kind](files);
  const flake =
    packageSet.kind === "flake" ? text.replace(/^Packages come from/, IN_A_FLAKE) : text;
  return `${flake}. ${HOW_TO_PIN}`;
}

const IN_A_FLAKE = "Packages come from a flake in";
const HOW_TO_PIN =
  "To pin what you pull, use as the tag the revision that every answer shows: the header " +
  "Firn-Revision, and the image's label org.opencontainers.image.revision";
const DAYS = "a day such as 2026-11-01, for what latest meant on that day";

const TAGS_OF: Readonly<
  Record<ReturnType<typeof filesOf>["kind"], (set: PackageSetSpec) => string>
> = {
  starter: () =>
    "Packages come from the set that is built into this registry: its only tags are " +
    `latest, ${DAYS}, and the 40 hex digits of a revision that it has or had`,
  path: () =>
    "Packages come from a directory of this registry's origins: its only tags are " +
    `latest, ${DAYS}, and the 40 hex digits of a revision that it has or had`,
  channel: (set) =>
    `Packages come from nixpkgs: a tag is the name of a channel, ${DAYS}, or a commit of 40 ` +
    "lower-case hex digits that a channel was seen at; latest is " +
    (set as ChannelSet).channel,
  git: () =>
    "Packages come from a git repository: a tag is one of its branches or tags, a day such as " +
    "2026-11-01, for the last commit of its default branch by the end of it, or a commit of 40 " +
    "lower-case hex digits that one of them contains, and latest is its HEAD",
};
