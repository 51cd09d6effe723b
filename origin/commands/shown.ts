/**
 * What the JSON API answers, as text for a terminal. Pure, but for colours, which are left out
 * where standard output is no terminal or NO_COLOR is set.
 */
import { styleText } from "node:util";
import type {
  DiffAnswer,
  ImageLayer,
  ImageView,
  PlatformView,
  SearchAnswer,
} from "../../edge/contract/api.ts";
import { plain, size, table } from "../operator/table.ts";

/** Digits of a digest that a person compares. */
const SHOWN_DIGITS = 12;
/** Packages of a layer that are named. */
const SHOWN_USERS = 4;
/** Names of a list that is shown in one line. */
const SHOWN_NAMES = 12;

const bold = (text: string): string => styleText("bold", text, { stream: process.stdout });
const dim = (text: string): string => styleText("dim", text, { stream: process.stdout });
const added = (text: string): string => styleText("green", text, { stream: process.stdout });
const removed = (text: string): string => styleText("red", text, { stream: process.stdout });
const changed = (text: string): string => styleText("yellow", text, { stream: process.stdout });

const short = (digest: string | null): string =>
  digest === null ? "-" : digest.slice("sha256:".length).slice(0, SHOWN_DIGITS);
const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
const some = (names: readonly string[], most: number): string =>
  names.slice(0, most).join(", ") + (names.length > most ? ` and ${names.length - most} more` : "");

const count = (layers: number): string => `${layers} layer${layers === 1 ? "" : "s"}`;

const STATES: Readonly<Record<PlatformView["state"], string>> = {
  made: "made",
  ready: "its packages are built; it is composed by the first pull",
  unbuilt: "packages of it must be built first",
  unknown: "a package of it does not exist",
};

/** An image as lines. `closure`: with all store paths. */
export function shownImage(view: ImageView, { closure }: { readonly closure: boolean }): string[] {
  const head = [
    bold(`${view.title}:${view.tag}`),
    `package set ${plain(view.packageSet)}, revision ${view.revision ?? "not known yet"}`,
    ...view.indexes.map(({ mediaType, digest }) => dim(`${digest}  ${mediaType}`)),
  ];
  return [...head, ...view.platforms.flatMap((one) => ["", ...platform(one, closure)])];
}

function platform(view: PlatformView, withClosure: boolean): string[] {
  const { manifests, message, layers, build, client } = view;
  return [
    `${bold(view.platform)}  ${STATES[view.state]}`,
    ...(message === undefined ? [] : [plain(message)]),
    ...manifests.map(({ digest, mediaType }) => dim(`${digest}  ${mediaType}`)),
    ...(build === null ? [] : [`to be built: ${some(build.packages, SHOWN_NAMES)}`]),
    "",
    ...indented(packages(view)),
    ...(layers === null ? [] : ["", ...indented(layerTable(layers)), "", total(view)]),
    ...(client === null
      ? []
      : [`a client that has ${client.has} fetches ${count(client.layers)}, ${size(client.size)}`]),
    ...(withClosure ? ["", ...indented(closureTable(view))] : []),
  ];
}

function packages({ packages: all }: PlatformView): string[] {
  const rows = all.map(({ name, version, state, closureSize, description, message, nearest }) => [
    name,
    version ?? "",
    closureSize === undefined ? state : size(closureSize),
    plain(message ?? description ?? "") +
      (nearest === undefined || nearest.length === 0 ? "" : `; nearest: ${nearest.join(", ")}`),
  ]);
  return table([["PACKAGE", "VERSION", "UNPACKED", ""], ...rows], [2]);
}

function layerTable(layers: readonly ImageLayer[]): string[] {
  const rows = layers.map(({ digest, size: bytes, unpacked, packages: users, own }) => [
    short(digest),
    size(bytes),
    unpacked === null ? "-" : size(unpacked),
    own ? "links to the packages, and their smallest dependencies" : some(users, SHOWN_USERS),
  ]);
  return table([["LAYER", "FETCHED", "UNPACKED", "OF"], ...rows], [1, 2]);
}

function total({ layers, size: bytes, unpacked, exact }: PlatformView): string {
  const fetched = bytes === null ? "" : `${exact ? "" : "about "}${size(bytes)} to fetch`;
  const disk = unpacked === null ? "" : `, ${size(unpacked)} unpacked`;
  return `${count(layers?.length ?? 0)}, ${fetched}${disk}`;
}

function closureTable({ closure }: PlatformView): string[] {
  if (closure === null || closure === undefined) return ["its store paths are not known"];
  const rows = closure
    .toSorted((a, b) => b.size - a.size)
    .map(({ path, size: bytes, licenses = [] }) => [size(bytes), path, licenses.join(", ")]);
  return table([["UNPACKED", "STORE PATH", "LICENCE"], ...rows], [0]);
}

/** One of two images, in a line. */
const side = (one: DiffAnswer["from"]): string =>
  `${bold(`${one.name}:${one.tag}`)}  revision ${one.revision.slice(0, SHOWN_DIGITS)}, ${size(one.size)}`;

/** The differences between two images as lines. */
export function shownDiff({
  platform: name,
  from,
  to,
  packages: of,
  closure,
  moved,
  kept,
}: DiffAnswer): string[] {
  return [
    `${removed("-")} ${side(from)}`,
    `${added("+")} ${side(to)}`,
    `${name}: who has the first fetches ${count(moved.layers)}, ${size(moved.size)}; ` +
      `${count(kept.layers)}, ${size(kept.size)}, stay`,
    ...section("packages", [
      ...of.removed.map(({ name, version }) => removed(`- ${name} ${version}`)),
      ...of.added.map(({ name, version }) => added(`+ ${name} ${version}`)),
      ...of.changed.map((one) => changed(`~ ${one.name} ${one.from} -> ${one.to}`)),
    ]),
    ...(closure === null ? ["", "the store paths of an image are not known"] : paths(closure)),
  ];
}

function paths(closure: NonNullable<DiffAnswer["closure"]>): string[] {
  const rebuilt = closure.rebuilt.length;
  return section("store paths", [
    ...closure.removed.map(({ name, size: bytes }) => removed(`- ${name}  ${size(bytes)}`)),
    ...closure.added.map(({ name, size: bytes }) => added(`+ ${name}  ${size(bytes)}`)),
    ...closure.changed.map((one) => changed(`~ ${one.name} ${one.from} -> ${one.to}`)),
    ...(rebuilt === 0 ? [] : [`${rebuilt} were rebuilt under the same name`]),
  ]);
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ["", bold(title), ...indented(lines)];

/** Found packages as lines. */
export function shownSearch({ packages: found, total: all }: SearchAnswer): string[] {
  const rows = found.map(({ name, version, description, pulls }) => [
    name,
    version ?? "",
    pulls === 0 ? "" : String(pulls),
    plain(description ?? ""),
  ]);
  const more = all - found.length;
  return [
    ...table([["PACKAGE", "VERSION", "PULLS", ""], ...rows], [2]),
    ...(more > 0 ? [dim(`and ${more} more: --limit shows them`)] : []),
  ];
}
