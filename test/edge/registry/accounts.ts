/** An edge with accounts, and how they sign in. */
import assert from "node:assert/strict";
import { hashPassword } from "../../../edge/contract/account.ts";
import { putKnown, send, startTestEdge, type TestEdge } from "./support.ts";

export const PASSWORD = "correct horse battery";
/** What ACCOUNTS keeps of it. */
export const HASH = await hashPassword(PASSWORD);

/** Variables of an edge with these accounts, all with one password. */
export const withAccounts = (
  accounts: Readonly<Record<string, object>>,
): { readonly ACCOUNTS: string; readonly TOKEN_KEY: string } => ({
  ACCOUNTS: JSON.stringify(
    Object.fromEntries(
      Object.entries(accounts).map(([user, rules]) => [user, { password: HASH, ...rules }]),
    ),
  ),
  TOKEN_KEY: "0123456789abcdef0123456789abcdef",
});

/** An edge with accounts, where the images of git and curl are known. */
export async function startWithAccounts(
  accounts: Readonly<Record<string, object>>,
  env: Readonly<Record<string, string>> = {},
): Promise<TestEdge> {
  const firn = await startTestEdge({ ...withAccounts(accounts), BUILD_WAIT: "1", ...env });
  await putKnown(firn.bucket, ["git", "curl"]);
  return firn;
}
export const KNOWN = "/v2/git/manifests/latest";
export const UNKNOWN = "/v2/not-made-yet/manifests/latest";

export const basic = (user: string, given = PASSWORD): { Authorization: string } => ({
  Authorization: `Basic ${Buffer.from(`${user}:${given}`).toString("base64")}`,
});
export const bearer = (token: string): { Authorization: string } => ({
  Authorization: `Bearer ${token}`,
});
export const scopesOf = (images: readonly string[]): string =>
  images.map((image) => `scope=repository:${image}:pull`).join("&");

/** A token for images, of an account or of nobody. */
export async function tokenFor(
  { url }: TestEdge,
  user: string | null,
  ...images: string[]
): Promise<string> {
  const headers = user === null ? {} : basic(user);
  const answer = await send("GET", `${url}/token?service=x&${scopesOf(images)}`, headers);
  assert.equal(answer.status, 200, String(answer.body));
  return (JSON.parse(String(answer.body)) as { token: string }).token;
}
