/**
 * Image names: `shell/git/curl` requests an image with those packages. The rules are Nixery's, with
 * meta-packages anywhere in the name:
 * - every component is a package attribute (`git`, `xorg.xev`) or a meta-package (`shell`, `amd64`,
 *   `arm64`);
 * - order and repetition do not matter: the request is a sorted set;
 * - `cacert` and `iana-etc` are in every image; `shell` adds an interactive bash and the usual
 *   tools, and makes bash the command;
 * - `amd64` and `arm64` pin the platform; without them the image is for every platform that the
 *   registry serves;
 * - `x/<40 hex digits>` is an alias, and stands for the packages of its list (alias.ts).
 */
import { ALIAS, ALIAS_KEY_PATTERN, type Aliased } from "./alias.ts";
import {
  BASE_PACKAGES,
  COMPONENT_PATTERN,
  MAX_ALIAS_PACKAGES,
  MAX_COMPONENTS,
  MAX_NAME_LENGTH,
  SHELL,
  SHELL_PACKAGES,
} from "./name-rules.ts";
import type { System } from "./records.ts";

export * from "./name-rules.ts";

/** Label and annotation of an image: the `names` of its request, separated by commas. */
export const PACKAGES_LABEL = "dev.firn.packages";
const SYSTEM_PACKAGES: ReadonlyMap<string, System> = new Map([
  ["amd64", "x86_64-linux"],
  ["arm64", "aarch64-linux"],
]);

export interface ImageRequest {
  /**
   * The name as the client wrote it. Several names may request one image, so it is not part of the
   * image.
   */
  readonly name: string;
  /** The system that the name pins by `amd64` or `arm64`; undefined for all systems. */
  readonly pinned: System | undefined;
  /**
   * Every package of the image: sorted, unique, including `cacert`, `iana-etc` and those of
   * `shell`.
   */
  readonly names: readonly string[];
  /** The packages as asked: sorted, unique, without meta-packages. */
  readonly requested: readonly string[];
  readonly shell: boolean;
}

/**
 * The name breaks a rule, or requests an image that cannot be made. The message is one line for the
 * person who wrote the name; `detail` has the same as data: the rule, the component, the limit.
 */
export class InvalidName extends Error {
  override readonly name = "InvalidName";
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(message: string, detail: Readonly<Record<string, unknown>>) {
    super(message);
    this.detail = detail;
  }
}

/** What the aliases in a name stand for, by their keys. */
export type Aliases = ReadonlyMap<string, Aliased>;
const NO_ALIASES: Aliases = new Map();

/** A name's components: the keys of its aliases, and the others. */
export interface NameParts {
  readonly aliases: readonly string[];
  readonly components: readonly string[];
}

/**
 * Parses an image name. `aliases`: those that splitImageName finds in it. Throws an InvalidName
 * with the component and the rule that it breaks.
 */
export const parseImageName = (name: string, aliases: Aliases = NO_ALIASES): ImageRequest =>
  requestOf(name, splitImageName(name), aliases);

/** Checks a name and separates its aliases. Throws an InvalidName, as parseImageName does. */
export function splitImageName(name: string): NameParts {
  if (name.length > MAX_NAME_LENGTH) {
    throw new InvalidName(
      `the image name has ${name.length} characters; the most is ${MAX_NAME_LENGTH}`,
      { rule: "length", length: name.length, limit: MAX_NAME_LENGTH },
    );
  }
  const components = name.split("/");
  if (components.length > MAX_COMPONENTS) {
    throw new InvalidName(
      `the image name has ${components.length} components; the most is ${MAX_COMPONENTS}`,
      { rule: "components", components: components.length, limit: MAX_COMPONENTS },
    );
  }
  return splitComponents(name, components);
}

function splitComponents(name: string, components: readonly string[]): NameParts {
  components.forEach((component, index) => checkComponent(name, component, index));
  const isKey = (index: number): boolean =>
    components[index - 1] === ALIAS && ALIAS_KEY_PATTERN.test(components[index] ?? "");
  return {
    aliases: components.filter((_, index) => isKey(index)),
    components: components.filter((_, index) => !isKey(index) && !isKey(index + 1)),
  };
}

/** The meta-package for the platform in a name; undefined when there is none. */
export const platformIn = ({ components }: NameParts): string | undefined =>
  components.find((component) => SYSTEM_PACKAGES.has(component));

/** Whether a valid name contains an alias. */
export const hasAlias = (name: string): boolean =>
  splitComponents(name, name.split("/")).aliases.length > 0;

/**
 * The image request for a list of packages, each spelled as in a name. The list may be longer than
 * a name can be. Throws an InvalidName.
 */
export function parseList(list: readonly string[], aliases: Aliases = NO_ALIASES): ImageRequest {
  return requestOf(list.join("/"), splitList(list), aliases);
}

/** As splitImageName, for a list. */
export function splitList(list: readonly string[]): NameParts {
  const components = list.flatMap((entry) => entry.split("/"));
  // Some may be repeated, and some are not packages.
  if (components.length > 2 * MAX_ALIAS_PACKAGES) throw tooManyPackages(components.length);
  return splitComponents(list.join("/"), components);
}

const tooManyPackages = (packages: number): InvalidName =>
  new InvalidName(
    `the list has ${packages} packages; the most is ${MAX_ALIAS_PACKAGES}, because docker limits ` +
      `the layers of an image`,
    { rule: "packages", packages, limit: MAX_ALIAS_PACKAGES },
  );

function requestOf(name: string, parts: NameParts, aliases: Aliases): ImageRequest {
  const requested = new Set<string>();
  const systems = new Set<string>();
  let shell = false;
  for (const key of parts.aliases) {
    const list = aliases.get(key);
    if (list === undefined)
      throw new InvalidName(
        `the alias ${ALIAS}/${key} cannot be used here: list its packages instead`,
        {
          name,
          rule: "no alias",
          component: key,
        },
      );
    shell ||= list.shell;
    list.packages.forEach((each) => requested.add(each));
  }
  for (const component of parts.components) {
    if (component === SHELL) shell = true;
    else if (SYSTEM_PACKAGES.has(component)) systems.add(component);
    else requested.add(component);
  }
  if (requested.size > MAX_ALIAS_PACKAGES) throw tooManyPackages(requested.size);
  if (systems.size > 1) {
    throw new InvalidName(
      `the image name "${name}" contains both amd64 and arm64: a name pins one platform, so ` +
        `pull two images`,
      { name, rule: "one system", components: [...systems].sort() },
    );
  }
  const [systemName] = systems;
  if (requested.size === 0 && !shell && systemName === undefined)
    throw new InvalidName("the list contains no package: name one, such as hello", {
      rule: "a package",
    });
  if (requested.size === 0 && !shell) {
    throw new InvalidName(
      `the image name "${name}" contains no package, only ${systemName}, which chooses the ` +
        `platform: add one, such as ${systemName}/hello`,
      { name, rule: "a package", component: systemName },
    );
  }
  return {
    name,
    pinned: SYSTEM_PACKAGES.get(systemName ?? ""),
    names: [...new Set([...requested, ...BASE_PACKAGES, ...(shell ? SHELL_PACKAGES : [])])].sort(),
    requested: [...requested].sort(),
    shell,
  };
}

/**
 * The canonical name of an image, the same in whatever order its packages were requested:
 * `shell/curl/git`.
 */
export function canonicalName(names: readonly string[], shell: boolean): string {
  const implied = new Set(shell ? [...BASE_PACKAGES, ...SHELL_PACKAGES] : BASE_PACKAGES);
  const rest = names.filter((name) => !implied.has(name));
  return [...(shell ? [SHELL] : []), ...(rest.length > 0 || shell ? rest : names)].join("/");
}

function checkComponent(name: string, component: string, index: number): void {
  // A list may be longer than a name, but each component must fit into a name.
  if (component.length > MAX_NAME_LENGTH)
    throw new InvalidName(
      `component ${index + 1} of the list has ${component.length} characters; the most is ` +
        `${MAX_NAME_LENGTH}`,
      { rule: "length", position: index + 1, length: component.length, limit: MAX_NAME_LENGTH },
    );
  if (COMPONENT_PATTERN.test(component)) return;
  const detail = { name, component, position: index + 1, rule: COMPONENT_PATTERN.source };
  if (component === "")
    throw new InvalidName(
      `component ${index + 1} of the image name "${name}" is empty: write package names with ` +
        `one "/" between them`,
      detail,
    );
  if (/[A-Z]/.test(component) && COMPONENT_PATTERN.test(component.toLowerCase())) {
    throw new InvalidName(
      `component "${component}" of the image name has capitals: write ` +
        `"${component.toLowerCase()}", which finds the attribute whatever its case`,
      detail,
    );
  }
  throw new InvalidName(
    `component "${component}" of the image name is not valid: lower-case letters and digits, ` +
      `separated by one ".", one or two "_", or any number of "-"`,
    detail,
  );
}
