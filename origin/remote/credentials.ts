/**
 * Credentials of registries as `docker login` and `podman login` store them. Files are read in this
 * order:
 *
 *   REGISTRY_AUTH_FILE                        podman's and skopeo's variable
 *   $DOCKER_CONFIG/config.json                ~/.docker/config.json
 *   $XDG_RUNTIME_DIR/containers/auth.json     podman's own
 *
 * In each file a credential helper of the host (`credHelpers`), then one of all hosts
 * (`credsStore`), then the file's own `auths`.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import * as v from "valibot";

/** A password, or an identity token, which token servers take in its place. */
export type Credentials =
  | { readonly user: string; readonly password: string }
  | { readonly identityToken: string };

const ConfigSchema = v.object({
  auths: v.optional(
    v.record(
      v.string(),
      v.object({ auth: v.optional(v.string()), identitytoken: v.optional(v.string()) }),
    ),
    {},
  ),
  credHelpers: v.optional(v.record(v.string(), v.string()), {}),
  credsStore: v.optional(v.string()),
});
type Config = v.InferOutput<typeof ConfigSchema>;

/** The user name with which helpers return an identity token. */
const TOKEN_USER = "<token>";
const HUB_KEYS = ["https://index.docker.io/v1/", "index.docker.io", "docker.io"];
/** Longest wait for a credential helper, ms: some use the network. */
const HELPER_MS = 30_000;

/**
 * The credentials for a registry; undefined when there are none. `host`: as in image names. Throws
 * an Error when a file cannot be parsed or a helper fails.
 */
export async function findCredentials(
  host: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const keys = host === "docker.io" ? HUB_KEYS : [host, `https://${host}`, `http://${host}`];
  for (const file of configFiles(env)) {
    const config = await readConfig(file);
    const found = config && (await fromConfig(config, keys, env));
    if (found !== undefined) return found;
  }
  return undefined;
}

function configFiles(env: NodeJS.ProcessEnv): string[] {
  const { REGISTRY_AUTH_FILE, DOCKER_CONFIG, XDG_RUNTIME_DIR } = env;
  return [
    ...(REGISTRY_AUTH_FILE ? [REGISTRY_AUTH_FILE] : []),
    join(DOCKER_CONFIG || join(homedir(), ".docker"), "config.json"),
    ...(XDG_RUNTIME_DIR ? [join(XDG_RUNTIME_DIR, "containers/auth.json")] : []),
  ];
}

async function readConfig(file: string): Promise<Config | undefined> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw new Error(`cannot read ${file}: ${error.message}`);
  });
  if (text === undefined || text.trim() === "") return undefined;
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), ConfigSchema), text);
  if (!parsed.success)
    throw new Error(`${file} does not have the form that docker writes: correct or remove it`);
  return parsed.output;
}

async function fromConfig(
  { auths, credHelpers, credsStore }: Config,
  keys: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  for (const key of keys) {
    // An empty name means none.
    const helper = credHelpers[key] || credsStore;
    const found = helper ? await askHelper(helper, key, env) : undefined;
    if (found !== undefined) return found;
    const { auth, identitytoken } = auths[key] ?? {};
    if (identitytoken) return { identityToken: identitytoken };
    if (auth) return decode(auth, key);
  }
  return undefined;
}

function decode(auth: string, key: string): Credentials {
  const text = Buffer.from(auth, "base64").toString();
  const colon = text.indexOf(":");
  if (colon === -1) throw new Error(`docker's credentials for ${key} are damaged: log in again`);
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

const AnswerSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ Username: v.string(), Secret: v.string() }),
);

/** `docker-credential-<helper> get`, the host on standard input. */
async function askHelper(
  helper: string,
  host: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${helper}`;
  const ran = await execa(program, ["get"], {
    input: host,
    env,
    timeout: HELPER_MS,
    reject: false,
  });
  if (ran.failed) {
    // The message of docker's library, which all helpers use.
    if (/credentials not found/i.test(ran.stdout ?? "")) return undefined;
    throw new Error(`${program} failed: ${ran.stdout?.trim() || ran.shortMessage}`);
  }
  const parsed = v.safeParse(AnswerSchema, ran.stdout);
  if (!parsed.success) throw new Error(`${program} gave no credentials`);
  const { Username: user, Secret: password } = parsed.output;
  return user === TOKEN_USER ? { identityToken: password } : { user, password };
}
