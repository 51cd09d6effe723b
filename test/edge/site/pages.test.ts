/**
 * The page in a browser: the main way through each page by mouse and by keyboard, at phone and desk
 * size, light and dark; axe finds nothing, nothing scrolls sideways, the console stays silent.
 * FIRN_SHOTS=<directory> keeps pictures of all of it, for a person to look at.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { hashPassword } from "../../../edge/contract/account.ts";
import { indexPath } from "../../../edge/contract/keys.ts";
import { encodeAbout } from "../../../edge/contract/package-about.ts";
import { RECORD_FORMAT } from "../../../edge/contract/records.ts";
import { unavailable } from "../../harness/available.ts";
import { axeFindings, CHROMIUM, startBrowser } from "../../harness/chromium.ts";
import { type OriginOptions, startOrigin, type TestOrigin } from "../registry/origin.ts";
import {
  putBase,
  putBlob,
  putPackage,
  putRevision,
  putShell,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";

const OTHER = "b".repeat(40);
/** Text from outside that would be a script, were it HTML. */
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
const OPERATOR = { user: "olga", password: "a long password" };
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const DESK = { viewport: { width: 1280, height: 860 } };
const SIZES = { phone: PHONE, desk: DESK };
/** What a page may take to show what a test waits for, milliseconds: on a busy machine. */
const PATIENCE = 15_000;

const skip = await unavailable([CHROMIUM]);
let firn: TestEdge;
let browser: Browser;
const origins: TestOrigin[] = [];

const STOCK: NonNullable<OriginOptions["stock"]> = {
  broken: { reason: "failed", message: `builder for broken failed ${HOSTILE}` },
};

before(async () => {
  if (skip !== false) return;
  const account = { password: await hashPassword(OPERATOR.password), operator: true };
  const env = {
    FARM_PUBLIC: "on",
    TOKEN_KEY: "k".repeat(32),
    ACCOUNTS: JSON.stringify({ [OPERATOR.user]: account }),
  };
  [firn, browser] = await Promise.all([startTestEdge(env, { site: true }), startBrowser()]);
  const { bucket } = firn;
  await putTag(bucket, "latest", REVISION);
  await putBase(bucket);
  await putShell(bucket);
  const libraries = ["libc", "zlib", "openssl"];
  await putPackage(bucket, { name: "git", levels: [[...libraries, "git"]] });
  await putPackage(bucket, { name: "gitea", levels: [["libc", "gitea"]] });
  await putPackage(bucket, { name: "curl", levels: [["libc", "openssl", "curl"]] });
  const scope = { ...SCOPE, revision: OTHER };
  await putRevision(bucket, OTHER);
  await putBase(bucket, scope);
  await putPackage(bucket, { name: "git", scope, levels: [["libc", "git"]] });
  const about = new Map([
    ["git", { version: "2.51", description: "Distributed version control" }],
    ["gitea", { version: "1.24", description: HOSTILE }],
    ["jq", { version: "1.8", description: "Command-line JSON processor" }],
  ]);
  const names = ["broken", "curl", "git", "gitea", "hello", "jq"];
  const index = {
    format: RECORD_FORMAT,
    packageSet: SCOPE.packageSet,
    revision: REVISION,
    system: SCOPE.system,
    path: [],
    names: await putBlob(bucket, new TextEncoder().encode(JSON.stringify(names))),
    about: await putBlob(bucket, encodeAbout(about)),
    signed: [{ origin: "test", signature: "A".repeat(86) }],
  };
  await bucket.put(indexPath(SCOPE, []), JSON.stringify(index), {
    contentType: "application/json",
    ifAbsent: false,
  });
  origins.push(await startOrigin(firn, { stock: STOCK }));
  await send("GET", `${firn.url}/v2/broken/manifests/latest`);
});
after(async () => {
  await Promise.all(origins.map((origin) => origin.stop()));
  await browser?.close();
  await firn?.stop();
});

/** A page at an address; what goes wrong in it fails the test. */
async function open(
  t: TestContext,
  path: string,
  options: BrowserContextOptions = DESK,
): Promise<Page> {
  const context = await browser.newContext({
    ...options,
    baseURL: firn.url,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const troubles: string[] = [];
  const { host } = new URL(path.startsWith("http") ? path : firn.url);
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    // A refusal is shown on the page; the console tells of it as well.
    const isRefusal = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isRefusal) troubles.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).host !== host) troubles.push(`it asks ${request.url()}`);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(troubles, []);
  });
  await page.goto(path);
  return page;
}

/** Looks at a page as it is: axe, its width, and a picture where somebody wants them. */
async function inspect(page: Page, name: string): Promise<void> {
  const shots = process.env["FIRN_SHOTS"];
  if (shots !== undefined) {
    await mkdir(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  }
  assert.deepEqual(await axeFindings(page), [], name);
  const wider = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
  assert.ok(Number(wider) <= 0, `${name} scrolls sideways by ${wider} pixels`);
}

const PAGES: Record<string, { path: string; ready: (page: Page) => Promise<unknown> }> = {
  compose: {
    path: "/?p=git+curl",
    ready: (page) => page.getByText("if you already have shell").waitFor(),
  },
  unknown: { path: "/?p=gti&shell=0", ready: (page) => page.getByText("Did you mean").waitFor() },
  unbuilt: {
    path: "/?p=hello",
    ready: (page) => page.getByRole("button", { name: "Build it now" }).waitFor(),
  },
  inside: {
    path: `/i/git?from=git:${OTHER}`,
    ready: (page) => page.getByText("Already there", { exact: true }).waitFor(),
  },
  build: {
    path: `/builds/${"0".repeat(64)}`,
    ready: (page) => page.getByText("This one is over").waitFor(),
  },
  "inside, not built": {
    path: "/i/hello",
    ready: (page) => page.getByRole("button", { name: "Build it now" }).waitFor(),
  },
  nothing: { path: "/NOTHING", ready: (page) => page.getByText("There is nothing here").waitFor() },
  farm: { path: "/farm", ready: (page) => page.getByText("builder for broken").waitFor() },
};

/** Each page on a phone and on a desk, one light and one dark; with pictures wanted, all four. */
const SCHEMES =
  process.env["FIRN_SHOTS"] === undefined
    ? ({ phone: ["dark"], desk: ["light"] } as const)
    : ({ phone: ["light", "dark"], desk: ["light", "dark"] } as const);

describe("every page, on a phone and a desk, light and dark", { skip, concurrency: 2 }, () => {
  for (const [name, { path, ready }] of Object.entries(PAGES))
    for (const size of ["phone", "desk"] as const)
      for (const colorScheme of SCHEMES[size])
        test(`${name}, ${size}, ${colorScheme}`, async (t) => {
          const page = await open(t, path, { ...SIZES[size], colorScheme });
          await ready(page);
          await inspect(page, `${name}-${size}-${colorScheme}`);
        });
});

describe("composing an image", { skip, concurrency: 2 }, () => {
  test("by mouse: find, add, remove, another command, another platform; the address follows", async (t) => {
    const page = await open(t, "/");
    await page.getByRole("combobox", { name: "Find packages" }).fill("version control");
    await page.getByRole("option", { name: /^git/ }).click();
    await page.getByRole("combobox", { name: "Find packages" }).fill("cur");
    await page.getByRole("option", { name: "curl" }).click();
    await page.getByText("if you already have shell").waitFor();
    await page.getByRole("button", { name: "Remove curl" }).waitFor();
    await page.waitForURL((url) => url.search === "?p=git+curl");
    const host = new URL(firn.url).host;
    const command = page.getByLabel("Docker command");
    assert.equal(await command.innerText(), `docker run --rm -it ${host}/shell/git/curl`);
    await page.getByRole("button", { name: "Remove curl" }).click();
    await page.getByLabel("Platform").selectOption("arm64");
    await page.getByRole("checkbox", { name: /^shell/ }).uncheck();
    await page.getByRole("tab", { name: "Podman" }).click();
    assert.match(
      await page.getByLabel("Podman command").innerText(),
      new RegExp(`^podman pull --tls-verify=false ${host}/arm64/git\n`),
    );
    await page.waitForURL((url) => url.search === "?p=git&shell=0&platform=arm64");
    await page.getByRole("button", { name: "Copy the command" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    assert.match(await page.evaluate("navigator.clipboard.readText()"), /^podman pull/);

    await page.reload();
    await page.getByRole("button", { name: "Remove git" }).waitFor();
    assert.equal(await page.getByLabel("Platform").inputValue(), "arm64");
  });

  test("by keyboard, from the top of the page, at a phone's size", async (t) => {
    const page = await open(t, "/", PHONE);
    const find = page.getByRole("combobox", { name: "Find packages" });
    await find.waitFor();
    for (let presses = 0; presses < 10; presses += 1) {
      await page.keyboard.press("Tab");
      if (await find.evaluate((element) => element === element.ownerDocument.activeElement)) break;
    }
    await page.keyboard.type("git");
    await page.getByRole("option", { name: /^gitea/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Remove gitea" }).waitFor();
    await page.keyboard.press("Backspace");
    await page.getByRole("button", { name: "Remove gitea" }).waitFor({ state: "detached" });
    await page.keyboard.type("curl");
    await page.getByRole("option", { name: /^curl/ }).waitFor();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await page.getByText("if you already have shell").waitFor();
    await page.getByRole("tab", { name: "Docker" }).focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    assert.match(await page.getByLabel("Kubernetes command").innerText(), /kind: Pod/);
    await page.waitForURL((url) => url.search === "?p=curl");
  });

  test("a list that is too long for a name gets a short one, for every platform", async (t) => {
    const long = Array.from({ length: 30 }, (_, at) => `package-${at}`);
    for (const name of long) await putPackage(firn.bucket, { name });
    const page = await open(t, `/?p=git+${long.join("+")}`);
    const make = page.getByRole("button", { name: "Make a short name" });
    await make.waitFor();
    await page.getByText("Make a short name to see what the image contains.").waitFor();
    await inspect(page, "long-list");
    await make.focus();
    await page.keyboard.press("Enter");
    await page.getByText("if you already have shell").waitFor();
    const { host } = new URL(firn.url);
    await page.getByRole("heading", { name: /^x\/[0-9a-f]{40}$/ }).waitFor();
    const command = page.getByLabel("Docker command");
    const [, alias = ""] =
      /^docker run --rm -it ([^ ]+)$/.exec(await command.innerText())?.[1]?.split(`${host}/`) ?? [];
    assert.match(alias, /^x\/[0-9a-f]{40}$/);
    const written = await send("GET", `${firn.url}/api/aliases/${alias.slice(2)}`);
    assert.deepEqual(JSON.parse(written.body.toString()).packages, ["git", ...long].sort());
    await inspect(page, "long-list-named");

    await page.getByLabel("Platform").selectOption("amd64");
    await page.getByText(`${host}/amd64/${alias}`).first().waitFor();
    await page.getByRole("button", { name: "Remove package-7" }).click();
    await make.waitFor();
  });

  test("more packages than an image holds are told", async (t) => {
    const many = Array.from({ length: 113 }, (_, at) => `package-${at}`);
    const page = await open(t, `/?p=${many.join("+")}`);
    await page.getByText("The list has 113: remove 1.").waitFor();
    assert.equal(await page.getByRole("button", { name: "Make a short name" }).count(), 0);
  });

  test("a pinned image keeps its revision", async (t) => {
    const page = await open(t, "/?p=git");
    await page.getByText("if you already have shell").waitFor();
    await page.getByRole("checkbox", { name: /^pin/ }).check();
    const command = await page.getByLabel("Docker command").innerText();
    assert.ok(command.endsWith(`/shell/git:${REVISION}`), command);
  });

  test("a name that does not exist: the nearest one takes its place", async (t) => {
    const page = await open(t, "/?p=gti");
    await page.getByText("there is no package gti").waitFor();
    await page.getByRole("button", { name: "git", exact: true }).click();
    await page.getByRole("button", { name: "Remove git" }).waitFor();
  });

  test("the keyboard stays at the packages when one is removed, and at the search at last", async (t) => {
    const page = await open(t, "/?p=git+curl+gitea");
    await page.getByRole("button", { name: "Remove curl" }).focus();
    await page.keyboard.press("Enter");
    const focused = (): Promise<string> =>
      page.evaluate("document.activeElement.ariaLabel") as Promise<string>;
    assert.equal(await focused(), "Remove gitea");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "Remove git");
    await page.keyboard.press("Enter");
    assert.equal(await focused(), "Find packages");
  });

  test("a tag that cannot be has no command", async (t) => {
    const page = await open(t, "/?p=git");
    await page.getByLabel("Docker command").waitFor();
    await page.getByLabel("Tag").fill("!!");
    await page.getByText("so there is no command to pull it").waitFor();
    assert.equal(await page.getByLabel("Tag").getAttribute("aria-invalid"), "true");
    assert.equal(await page.getByLabel("Docker command").count(), 0);
    await page.getByLabel("Tag").fill("");
    await page.getByLabel("Docker command").waitFor();
  });

  test("a search without the network says so", async (t) => {
    const page = await open(t, "/");
    await page.getByText("Ready to pull:").waitFor();
    await page.context().setOffline(true);
    await page.getByRole("combobox", { name: "Find packages" }).fill("git");
    await page.getByText("The registry does not answer.").first().waitFor();
  });

  test("what changed beside the keyboard is told to those who hear the page", async (t) => {
    const page = await open(t, "/?p=git");
    const status = page.locator(".about [role=status]");
    await page.getByText("Ready to pull:").waitFor();
    assert.match(await status.innerText(), /^shell\/git: ready to pull, [0-9.]+ k?B to download$/);
  });

  test("text from outside is never HTML", async (t) => {
    const page = await open(t, "/");
    await page.getByRole("combobox", { name: "Find packages" }).fill("gitea");
    await page.getByRole("option", { name: /onerror/ }).waitFor();
    await page.getByText("builder for broken failed <img").waitFor();
    assert.equal(await page.locator("main img, main script").count(), 0);
    assert.equal(await page.title(), "Firn");
  });

  test("without JavaScript it says what Firn is, and how to pull", async (t) => {
    const page = await open(t, "/", { ...DESK, javaScriptEnabled: false });
    await page.getByText("is a container registry whose images do not exist").waitFor();
    await page.getByText("docker run --rm -it THIS-HOST/shell/git/curl").waitFor();
  });
});

describe("looking inside", { skip, concurrency: 2 }, () => {
  test("by mouse: a layer, its store paths, and why one of them is there", async (t) => {
    const page = await open(t, "/i/git");
    const layer = page.locator(".layer[aria-label^='openssl']");
    await layer.hover();
    await page.locator(".detail .name", { hasText: "openssl" }).waitFor();
    await layer.click();
    await page.getByText("1 store path,").waitFor();
    await page.locator(".rows .row").click();
    const way = page.locator(".why li");
    assert.deepEqual(await way.allInnerTexts(), ["git", "openssl"]);
    await page.getByRole("button", { name: /only/ }).click();
    await page.getByText("6 store paths,").waitFor();
  });

  test("by keyboard: from layer to layer, choose one, search, compare", async (t) => {
    const page = await open(t, "/i/git", PHONE);
    const title = page.locator(".detail h3");
    const first = await title.innerText();
    // One stop of the tab order is in the map, the largest layer, and the next one is behind it.
    await page.getByRole("link", { name: "git", exact: true }).focus();
    await page.keyboard.press("Tab");
    await page.locator(".layer.shown:focus").waitFor();
    await page.keyboard.press("Tab");
    await page.locator(".treemap :focus").waitFor({ state: "detached" });
    await page.keyboard.press("Shift+Tab");
    await page.locator(".layer:focus").waitFor();
    await page.keyboard.press("ArrowRight");
    assert.notEqual(await title.innerText(), first);
    await page.keyboard.press("Enter");
    await page.locator(".layer[aria-pressed='true']").waitFor();
    await page.keyboard.press("Enter");
    await page.getByLabel("Search store paths").focus();
    await page.keyboard.type("zli");
    await page.getByText("1 store path,").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText("Why it is there").waitFor();
    await page.getByLabel("With another image").focus();
    await page.keyboard.type("curl");
    await page.keyboard.press("Enter");
    const changes = page.locator(".diff").first();
    await changes.waitFor();
    assert.match(await changes.innerText(), /git[^]*curl/);
    assert.match(page.url(), /from=curl/);
  });

  test("the bill of materials, as a file", async (t) => {
    const pulled = await send("GET", `${firn.url}/v2/git/curl/manifests/latest`);
    assert.equal(pulled.status, 200);
    const page = await open(t, "/i/git/curl");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download the SBOM" }).click();
    assert.equal((await download).suggestedFilename(), "git-curl.spdx.json");
  });

  test("a browser at the registry's address of an image is here", async (t) => {
    const page = await open(t, "/v2/git/manifests/latest");
    await page.getByRole("heading", { name: "git" }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/i/git");
  });
});

describe("watching a build", { skip }, () => {
  test("from the button to the pull command", async (t) => {
    const page = await open(t, "/?p=hello&shell=0");
    await page.getByRole("button", { name: "Build it now" }).click();
    await page.waitForURL(/\/builds\/[0-9a-f]{64}\?image=hello/);
    await page.getByRole("heading", { name: "hello is built" }).waitFor();
    const host = new URL(firn.url).host;
    assert.match(
      await page.getByLabel("Docker command").innerText(),
      new RegExp(`docker pull ${host}/hello`),
    );
    await inspect(page, "build-done");
    await page.getByRole("link", { name: "Look inside" }).click();
    await page.getByText("Store paths").first().waitFor();
  });

  test("a failure in plain words", async (t) => {
    const page = await open(t, "/?p=broken&shell=0");
    await page.getByRole("button", { name: "Build it now" }).click();
    await page.getByRole("heading", { name: "broken could not be built" }).waitFor();
    await page.getByText("builder for broken failed").waitFor();
    await inspect(page, "build-failed");
  });
});

describe("the farm", { skip }, () => {
  test("an operator signs in, drains an origin by keyboard, and takes it back", async (t) => {
    const page = await open(t, "/farm");
    await page.getByText("Sign in as an operator").click();
    await page.getByLabel("User").fill(OPERATOR.user);
    await page.getByLabel("Password").fill(OPERATOR.password);
    await page.keyboard.press("Enter");
    const drain = page.getByRole("button", { name: "Drain test" });
    await drain.waitFor();
    await inspect(page, "farm-operator");
    await drain.focus();
    await page.keyboard.press("Enter");
    const back = page.getByRole("button", { name: /^Give it jobs again/ });
    await back.waitFor();
    await back.click();
    await drain.waitFor();
    assert.equal(await page.evaluate("sessionStorage.length + localStorage.length"), 0);
  });

  test("a wrong password is told, and asks again", async (t) => {
    const page = await open(t, "/farm", PHONE);
    await page.getByText("Sign in as an operator").click();
    await page.getByLabel("User").fill(OPERATOR.user);
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByRole("heading", { name: "Sign in again" }).waitFor();
  });
});

describe("a private registry", { skip }, () => {
  test("asks who it is, and shows the image to an account", async (t) => {
    const account = { password: await hashPassword(OPERATOR.password) };
    const closed = await startTestEdge(
      {
        ACCESS: "private",
        TOKEN_KEY: "k".repeat(32),
        ACCOUNTS: JSON.stringify({ [OPERATOR.user]: account }),
      },
      { site: true },
    );
    t.after(() => closed.stop());
    await putTag(closed.bucket, "latest", REVISION);
    await putBase(closed.bucket);
    await putPackage(closed.bucket, { name: "git" });
    const page = await open(t, `${closed.url}/?p=git&shell=0`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await inspect(page, "private");
    await page.getByLabel("User").fill(OPERATOR.user);
    await page.getByLabel("Password").fill(OPERATOR.password);
    await page.keyboard.press("Enter");
    await page.getByText("Ready to pull:").waitFor();
  });
});

describe("a registry whose builds take an account", { skip }, () => {
  test("a build that may not begin asks for an account, where it was asked for", async (t) => {
    const account = { password: await hashPassword(OPERATOR.password) };
    const cached = await startTestEdge(
      {
        ACCESS: "cached",
        TOKEN_KEY: "k".repeat(32),
        ACCOUNTS: JSON.stringify({ [OPERATOR.user]: account }),
      },
      { site: true },
    );
    t.after(() => cached.stop());
    await putTag(cached.bucket, "latest", REVISION);
    await putBase(cached.bucket);
    const page = await open(t, `${cached.url}/?p=git&shell=0`);
    await page.getByRole("button", { name: "Build it now" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/");
    await page.getByLabel("User").fill(OPERATOR.user);
    await page.getByLabel("Password").fill(OPERATOR.password);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Build it now" }).click();
    await page.waitForURL(/\/builds\/[0-9a-f]{64}\?image=git/);
  });
});

describe("the first view on a slow phone", { skip }, () => {
  test("one step of requests behind the document, 60 kB in all", async (t) => {
    const page = await open(t, "about:blank", PHONE);
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    // What Lighthouse calls slow 4G, and a processor of a quarter.
    await session.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 150,
      downloadThroughput: (1.6 * 2 ** 20) / 8,
      uploadThroughput: (750 * 2 ** 10) / 8,
    });
    await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
    let bytes = 0;
    session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
    await page.goto("/");
    await page.getByRole("combobox", { name: "Find packages" }).waitFor();
    await page.getByText("To download", { exact: true }).waitFor();
    assert.ok(bytes < 60_000, `${bytes} bytes`);
    const timing = (await page.evaluate(`({
      text: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
      loaded: performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd,
    })`)) as { text: number; loaded: number };
    t.diagnostic(
      `${bytes} bytes; text after ${Math.round(timing.text)} ms, page after ${Math.round(timing.loaded)} ms`,
    );
  });
});
