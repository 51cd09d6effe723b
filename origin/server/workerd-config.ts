/**
 * The configuration of workerd for the Worker on one's own server, in Cap'n Proto's text form
 * (workerd.capnp, which comes with workerd). Variables are read from the environment of its
 * process, so that no secret is in a file.
 */
import { compatibilityDate } from "./bundle.ts";

export interface WorkerdConfig {
  /** File with the Worker's module, relative to the configuration. */
  readonly module: string;
  /** Names of variables, which the process must have in its environment. */
  readonly variables: readonly string[];
  /** Directory of the Durable Objects, absolute. */
  readonly objectsDir: string;
  /** Directory of the page's files (site.ts), absolute; undefined for no page. */
  readonly siteDir: string | undefined;
  /** More Workers, each on a socket of its own, by name: file with the module. */
  readonly beside: Readonly<Record<string, string>>;
}

/** The Worker's Durable Objects, and the bindings by which it finds them. */
export const OBJECTS: Readonly<Record<string, string>> = {
  FARM: "Farm",
  BUILD: "Build",
  TOTALS: "Totals",
  HOUSEKEEPING: "Housekeeping",
};
/** The Worker's socket. */
export const SOCKET = "http";
/** By what name the objects of a class are stored: changing it loses them. */
export const storageOf = (className: string): string => `firn-${className}`;

/** The configuration's text. Sockets get their addresses on the command line. */
export async function workerdConfig(config: WorkerdConfig): Promise<string> {
  const date = JSON.stringify(await compatibilityDate());
  const variables = config.variables.map(
    (name) => `(name = ${JSON.stringify(name)}, fromEnvironment = ${JSON.stringify(name)})`,
  );
  const bindings = Object.entries(OBJECTS).map(
    ([name, className]) => `(name = "${name}", durableObjectNamespace = "${className}")`,
  );
  const page = config.siteDir === undefined ? [] : [`(name = "ASSETS", service = "site")`];
  const site =
    config.siteDir === undefined
      ? ""
      : `(name = "site", disk = (path = ${JSON.stringify(config.siteDir)})),`;
  const namespaces = Object.values(OBJECTS).map(
    (className) =>
      `(className = "${className}", uniqueKey = "${storageOf(className)}", enableSql = true)`,
  );
  const beside = Object.entries(config.beside);
  const workers = beside.map(
    ([name, module]) => `(name = ${JSON.stringify(name)}, worker = (
      modules = [(name = "index.js", esModule = embed ${JSON.stringify(module)})],
      compatibilityDate = ${date})),`,
  );
  const sockets = [SOCKET, ...beside.map(([name]) => name)].map(
    (name) =>
      `(name = ${JSON.stringify(name)}, http = (), ` +
      `service = ${JSON.stringify(name === SOCKET ? "worker" : name)})`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      modules = [(name = "index.js", esModule = embed ${JSON.stringify(config.module)})],
      compatibilityDate = ${date},
      bindings = [${[...bindings, ...page, ...variables].join(",\n        ")}],
      durableObjectNamespaces = [${namespaces.join(",\n        ")}],
      durableObjectStorage = (localDisk = "objects"))),
    ${workers.join("\n    ")}
    ${site}
    (name = "objects", disk = (path = ${JSON.stringify(config.objectsDir)}, writable = true)),
    # The bucket may be on this machine, or in a private network.
    (name = "internet", network = (
      allow = ["public", "private", "local"],
      tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [${sockets.join(",\n    ")}],
  logging = (structuredLogging = true),
);
`;
}
