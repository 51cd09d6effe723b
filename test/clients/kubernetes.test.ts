/**
 * Kubernetes' way: a node (containerd, asked as the kubelet asks it) whose `hosts.toml` says where
 * the images of a registry come from. A mirror is asked with the registry's name as `?ns=`.
 */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { putPackage, putRevision, SCOPE, type TestEdge } from "../edge/registry/support.ts";
import { unavailable } from "../harness/available.ts";
import { type Front, type Passed, startFront } from "../harness/clients/front.ts";
import { cri, type Node, openNode } from "../harness/clients/cri.ts";
import { ARM64, expectedImage, startRegistry } from "./images.ts";

const skip = await unavailable(cri.needs, { root: true });
/** Nothing listens there. */
const NOWHERE = "http://127.0.0.1:1";

const paths = (passed: readonly Passed[]): string[] => passed.map(({ path }) => path);

describe("a node of Kubernetes", { skip }, () => {
  /** Two registries with the same package set, and a bucket each. */
  let firn: TestEdge;
  let other: TestEdge;
  let front: Front;
  let otherFront: Front;
  let node: Node;
  before(async () => {
    [firn, other, node] = await Promise.all([
      startRegistry({ BUILD_WAIT: "1" }),
      startRegistry({ BUILD_WAIT: "1" }),
      openNode(),
    ]);
    [front, otherFront] = await Promise.all([startFront(firn.url), startFront(other.url)]);
  });
  after(async () => {
    await Promise.all([node?.close(), front?.stop(), otherFront?.stop()]);
    await Promise.all([firn?.stop(), other?.stop()]);
  });

  /** What a node is told of a registry: `toml` is its hosts.toml. */
  const tell = async (registry: string, toml: string): Promise<void> => {
    const directory = join(node.hosts, registry);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "hosts.toml"), toml);
  };
  const during = async (pull: () => Promise<unknown>) => {
    const from = [front.passed.length, otherFront.passed.length];
    await pull();
    return {
      first: front.passed.slice(from[0]),
      second: otherFront.passed.slice(from[1]),
    };
  };
  const holds = async (image: string, name: string): Promise<void> => {
    const { diffIds } = await expectedImage(firn, name);
    assert.deepEqual(await node.diffIds(image), diffIds);
  };

  test("a mirror of a registry by another name", async () => {
    await tell(
      "images.example",
      `server = "${NOWHERE}"
[host."${front.url}"]
capabilities = ["pull", "resolve"]
`,
    );
    const { first } = await during(() => node.pull("images.example/git/curl"));
    assert.ok(first.length > 2);
    assert.deepEqual([...new Set(first.map(({ query }) => query))], ["?ns=images.example"]);
    await holds("images.example/git/curl", "git/curl");
    const { index } = await expectedImage(firn, "git/curl");
    assert.deepEqual(await node.repoDigests("images.example/git/curl"), [
      `images.example/git/curl@${index}`,
    ]);
  });

  // containerd writes the image's name behind the path that it is given.
  test("a path puts packages in front of every name", async () => {
    await tell(
      "shells.example",
      `server = "${NOWHERE}"
[host."${front.url}/v2/shell"]
capabilities = ["pull", "resolve"]
override_path = true
`,
    );
    const { first } = await during(() => node.pull("shells.example/git"));
    assert.ok(paths(first).every((path) => path.startsWith("/v2/shell/git/")));
    await holds("shells.example/git", "shell/git");
  });

  test("what the first has not, the next one serves", async () => {
    for (const scope of [SCOPE, ARM64])
      await putPackage(other.bucket, { name: "only-there", scope });
    await tell(
      "two.example",
      `server = "${otherFront.url}"
[host."${front.url}"]
capabilities = ["pull", "resolve"]
`,
    );
    const { first, second } = await during(() => node.pull("two.example/only-there"));
    assert.ok(first.length > 0 && first.every(({ status }) => status >= 400));
    assert.ok(second.length > 2 && second.every(({ status }) => status === 200));
    const { diffIds } = await expectedImage(other, "only-there");
    assert.deepEqual(await node.diffIds("two.example/only-there"), diffIds);
  });

  // Two registries of one package set make the same image: what one resolves the other serves.
  test("a mirror that is only pulled from is asked by digest, and has what another resolved", async () => {
    const { index } = await expectedImage(firn, "redis/jq");
    assert.equal((await expectedImage(other, "redis/jq")).index, index);
    await tell(
      "near.example",
      `server = "${otherFront.url}"
[host."${front.url}"]
capabilities = ["pull"]
`,
    );
    const { first, second } = await during(() => node.pull("near.example/redis/jq"));
    assert.deepEqual(paths(second), ["/v2/redis/jq/manifests/latest"]);
    assert.ok(first.some(({ path }) => path === `/v2/redis/jq/manifests/${index}`));
    assert.ok(first.filter(({ path }) => path.includes("/blobs/")).length > 2);
    await holds("near.example/redis/jq", "redis/jq");
  });

  // An admission controller asks for the tag's digest and writes it into the pod: name:tag@digest.
  test("of an image that was admitted by digest the tag is not asked for", async () => {
    const revision = "fedcba9876".repeat(4);
    const put = async (revision: string, state: string): Promise<void> => {
      for (const scope of [SCOPE, ARM64])
        for (const name of ["pinned", "cacert", "iana-etc"]) {
          const levels = [[`${name}-${state}`]];
          await putPackage(firn.bucket, { name, levels, scope: { ...scope, revision } });
        }
    };
    await put(SCOPE.revision, "old");
    const admitted = await expectedImage(firn, "pinned");
    await put(revision, "new");
    await putRevision(firn.bucket, revision);

    const image = `${front.host}/pinned:${revision}`;
    const { first } = await during(() => node.pull(`${image}@${admitted.index}`));
    const manifests = paths(first).filter((path) => path.includes("/manifests/"));
    assert.deepEqual(
      new Set(manifests),
      new Set([admitted.index, admitted.digest].map((of) => `/v2/pinned/manifests/${of}`)),
    );
    const byDigest = `${front.host}/pinned@${admitted.index}`;
    assert.deepEqual(await node.diffIds(byDigest), admitted.diffIds);
    await node.pull(image);
    assert.notDeepEqual(await node.diffIds(image), admitted.diffIds);
  });

  test("a digest that is no image's is refused", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    await assert.rejects(node.pull(`${front.host}/git@${digest}`), /not found/);
  });
});
