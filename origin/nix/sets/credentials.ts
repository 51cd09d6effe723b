/**
 * Credentials in a URL of the operator's. Everybody on the machine can read command lines (ps),
 * also those of programs that git starts. So programs get the URL without user and password, and
 * these through the environment or a file.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface BareUrl {
  /**
   * Without user and password; for ssh:// without the password, since there the user is not secret.
   */
  readonly url: string;
  readonly credentials?: { readonly user: string; readonly password?: string };
}

/**
 * Splits a URL and its credentials. Text that is not a URL (`git@host:path`) has none. Throws an
 * Error when they are not percent-encoded.
 */
export function bareUrl(text: string): BareUrl {
  const url = URL.parse(text);
  if (url === null || (url.username === "" && url.password === "")) return { url: text };
  const [user = "", password = ""] = [url.username, url.password].map(decoded);
  const hasPassword = url.password !== "" || /^[a-z]+:\/\/[^/@]*:@/i.test(text);
  url.password = "";
  if (url.protocol === "ssh:") return { url: url.href };
  url.username = "";
  return { url: url.href, credentials: { user, ...(hasPassword ? { password } : {}) } };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error("the user or password in a URL is not percent-encoded: write %25 for %");
  }
}

/** Variables in which git's helper finds the credentials. */
const USER = "FIRN_GIT_USER";
const PASSWORD = "FIRN_GIT_PASSWORD";
/** A credential helper (gitcredentials(7)), as a shell function. */
const HELPER =
  `!f() { if [ "$1" = get ]; then printf 'username=%s\\npassword=%s\\n' ` +
  `"$${USER}" "$${PASSWORD}"; fi; }; f`;

/**
 * `env` with configuration by which git uses the credentials for this URL's host, and for no other
 * (a redirect may lead elsewhere). They precede those of the machine; for a user without a
 * password, git asks the machine's helpers.
 */
export function withGitCredentials(
  { url, credentials }: BareUrl,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  if (credentials === undefined) return { ...env };
  const { user, password } = credentials;
  const section = `credential.${new URL(url).origin}`;
  const settings: (readonly [string, string])[] =
    password === undefined
      ? [[`${section}.username`, user]]
      : [
          // An empty value removes all helpers before it.
          [`${section}.helper`, ""],
          [`${section}.helper`, HELPER],
        ];
  const first = Number(env["GIT_CONFIG_COUNT"] ?? 0);
  return {
    ...env,
    GIT_CONFIG_COUNT: String(first + settings.length),
    ...Object.fromEntries(
      settings.flatMap(([name, value], at) => [
        [`GIT_CONFIG_KEY_${first + at}`, name],
        [`GIT_CONFIG_VALUE_${first + at}`, value],
      ]),
    ),
    ...(password === undefined ? {} : { [USER]: user, [PASSWORD]: password }),
  };
}

/** Writes credentials for Nix's downloads (netrc-file), readable only by this process's user. */
export function writeNetrc({ url, credentials }: BareUrl, file: string): void {
  const { user = "", password = "" } = credentials ?? {};
  mkdirSync(dirname(file), { recursive: true });
  const text = `machine ${new URL(url).hostname}\nlogin ${user}\npassword ${password}\n`;
  writeFileSync(file, text, { mode: 0o600 });
}

/** Fetches a URL with credentials, which fetch itself refuses with a message that repeats them. */
export function fetchWithCredentials(text: string, signal: AbortSignal): Promise<Response> {
  const { url, credentials } = bareUrl(text);
  if (credentials === undefined) return fetch(url, { signal });
  const { user, password = "" } = credentials;
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  return fetch(url, { signal, headers: { authorization: `Basic ${basic}` } });
}
