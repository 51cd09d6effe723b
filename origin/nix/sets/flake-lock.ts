/**
 * flake.lock, as Nix writes it (versions 5 to 7): the inputs of a flake, each at one revision and
 * with the hash of its files. It is read, never changed.
 *
 *   {"version": 7, "root": "root", "nodes": {
 *     "root":    {"inputs": {"nixpkgs": "nixpkgs", "utils": ["tools", "utils"]}},
 *     "nixpkgs": {"locked": {"type": "github", "owner": …, "rev": …, "narHash": "sha256-…"}}}}
 *
 * Pure. flake-inputs.ts fetches the inputs.
 */
import * as v from "valibot";
import { byName } from "../../../edge/contract/by-name.ts";
import { failed } from "../failures.ts";

/** Most inputs, with those of inputs: large flakes have about a hundred. */
const MAX_NODES = 1_000;
const VERSIONS = [5, 6, 7];

const text = v.pipe(v.string(), v.maxLength(4_096));
const SriSchema = v.pipe(text, v.regex(/^sha256-[A-Za-z0-9+/]{43}=$/));
const LockedSchema = v.looseObject({
  type: text,
  narHash: v.optional(SriSchema),
  lastModified: v.optional(v.pipe(v.number(), v.integer())),
  rev: v.optional(v.pipe(text, v.regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/))),
  dir: v.optional(text),
  owner: v.optional(text),
  repo: v.optional(text),
  host: v.optional(text),
  url: v.optional(text),
  path: v.optional(text),
  submodules: v.optional(v.boolean()),
});
export type Locked = v.InferOutput<typeof LockedSchema>;

const InputsSchema = byName(text, v.union([text, v.array(text)]));
const NodeSchema = v.looseObject({
  inputs: v.optional(InputsSchema, {}),
  locked: v.optional(LockedSchema),
  flake: v.optional(v.boolean(), true),
  /** The node that a relative path is relative to, as a path of inputs from the root. */
  parent: v.optional(v.array(text), []),
});
const LockSchema = v.looseObject({
  version: v.picklist(VERSIONS),
  root: text,
  nodes: v.pipe(
    byName(text, NodeSchema),
    v.check((nodes) => Object.keys(nodes).length <= MAX_NODES, `more than ${MAX_NODES} inputs`),
  ),
});
export type Lock = v.InferOutput<typeof LockSchema>;
export type LockNode = v.InferOutput<typeof NodeSchema>;

/** The lock of a flake without flake.lock, which must have no inputs. */
export const NO_LOCK: Lock = v.parse(LockSchema, { version: 7, root: "root", nodes: { root: {} } });

/** Parses flake.lock. Throws a FailureError of reason `refused` when it cannot be used. */
export function parseLock(json: string): Lock {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw refused("flake.lock is no JSON");
  }
  const parsed = v.safeParse(LockSchema, value);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw refused(`flake.lock cannot be read: ${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
  }
  const { root, nodes } = parsed.output;
  if (nodes[root] === undefined) throw refused("flake.lock has no root");
  return parsed.output;
}

/** Where the files of an input come from. */
export type Origin =
  | { readonly kind: "archive"; readonly url: string; readonly isPublic: boolean }
  | { readonly kind: "git"; readonly url: string; readonly rev: string }
  /** In the files of another node. */
  | { readonly kind: "inside"; readonly parent: readonly string[]; readonly path: string };

/** The archive of a commit at these forges; `host`: the default of an input that names none. */
const ARCHIVES: Readonly<Record<string, { host: string; url: (parts: Parts) => string }>> = {
  github: {
    host: "github.com",
    url: ({ host, owner, repo, rev }) => `https://${host}/${owner}/${repo}/archive/${rev}.tar.gz`,
  },
  gitlab: {
    host: "gitlab.com",
    url: ({ host, owner, repo, rev }) =>
      `https://${host}/api/v4/projects/${owner}%2F${repo}/repository/archive.tar.gz?sha=${rev}`,
  },
  sourcehut: {
    host: "git.sr.ht",
    url: ({ host, owner, repo, rev }) => `https://${host}/${owner}/${repo}/archive/${rev}.tar.gz`,
  },
};
type Parts = Readonly<Record<"host" | "owner" | "repo" | "rev", string>>;

/** Where the files of a locked input come from. Throws a FailureError of reason `refused`. */
export function originOf(name: string, { locked, parent }: LockNode): Origin {
  if (locked === undefined) throw refused(`flake.lock does not lock the input ${name}`);
  const { type, rev, url, path, owner = "", repo = "", host } = locked;
  const archive = ARCHIVES[type];
  if (archive !== undefined && rev !== undefined) {
    const parts = { host: host ?? archive.host, owner, repo, rev };
    if (!/^[A-Za-z0-9.:-]+$/.test(parts.host) || ![owner, repo].every(isPlain))
      throw refused(`flake.lock locks the input ${name} to no repository`);
    return { kind: "archive", url: archive.url(parts), isPublic: host === undefined };
  }
  if (type === "tarball" && url !== undefined && /^https?:\/\//.test(url))
    return { kind: "archive", url, isPublic: false };
  if (type === "git" && url !== undefined && rev?.length === 40 && locked.submodules !== true)
    return { kind: "git", url, rev };
  if (type === "path" && path !== undefined && !path.startsWith("/"))
    return { kind: "inside", parent, path: below(name, path) };
  throw refused(
    `the input ${name} is of a kind that is not fetched here (${type}): inputs are github, gitlab, ` +
      `sourcehut, tarball, git without submodules, and directories of the flake itself`,
  );
}

const isPlain = (part: string): boolean => /^~?[A-Za-z0-9_.-]+$/.test(part) && !/^\.+$/.test(part);

/**
 * Where the flake.nix of a node is: the node whose files contain it (itself, unless it is a
 * directory of another node), and the directory in those files. `top`: the directory of the root's
 * flake.nix. Throws a FailureError of reason `refused`.
 */
export function placeOf(
  lock: Lock,
  name: string,
  top: string,
): { readonly base: string; readonly directory: string } {
  const directories: string[] = [];
  const seen = new Set<string>();
  let base = name;
  for (;;) {
    if (seen.has(base)) throw refused(`flake.lock has the input ${name} within itself`);
    seen.add(base);
    const node = lock.nodes[base];
    if (base === lock.root || node === undefined) {
      directories.unshift(top);
      break;
    }
    directories.unshift(below(base, node.locked?.dir ?? ""));
    const origin = originOf(base, node);
    if (origin.kind !== "inside") break;
    directories.unshift(origin.path);
    base = follow(lock, origin.parent);
  }
  return { base, directory: directories.filter((part) => part !== "").join("/") };
}

/** The directory without leading `./`. Throws a FailureError when it leads out of the files. */
function below(name: string, path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.some((part) => part === ".." || !/^[\w.+-]+$/.test(part)))
    throw refused(`the input ${name} lies outside of the flake: ${path.slice(0, 200)}`);
  return parts.join("/");
}

/** The node at a path of inputs from the root. Throws a FailureError of reason `refused`. */
function follow({ root, nodes }: Lock, path: readonly string[]): string {
  let steps = 0;
  const walk = (start: string, rest: readonly string[]): string =>
    rest.reduce((node, input) => {
      const next = nodes[node]?.inputs[input];
      if (next === undefined || ++steps > MAX_NODES)
        throw refused(`flake.lock follows ${path.join("/")}, which leads nowhere`);
      return typeof next === "string" ? next : walk(root, next);
    }, start);
  return walk(root, path);
}

const refused = (message: string): Error => failed("refused", message);
