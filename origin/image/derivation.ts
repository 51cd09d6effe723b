/**
 * The program that a derivation of nix/image.nix runs. It makes an image from store paths that Nix
 * has built and describes in the derivation's attributes. It needs neither Nix nor a network.
 *
 *   .attrs.json → packages, closure → makeImage → $out
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import * as v from "valibot";
import { canonicalJson } from "../../edge/contract/keys.ts";
import { canonicalName, parseList, TAG_PATTERN } from "../../edge/contract/names.ts";
import { StorePathSchema, type System, SYSTEMS } from "../../edge/contract/records.ts";
import { generateOriginKey, publicKeyOf, readOriginKey } from "../channel/key.ts";
import { signer } from "../channel/sign.ts";
import { Codecs } from "../layers/codecs.ts";
import { openLayers } from "../layers/index.ts";
import { builtPackage } from "../nix/build/built-package.ts";
import { FoundSchema } from "../nix/evaluate/describe.ts";
import type { BuildOutcome } from "../nix/types.ts";
import { NO_PLAN_ID, parsePlan, planId } from "../plan/index.ts";
import { planStore } from "../plan/plans.ts";
import { DirectoryBucket, NO_EDGE } from "./directory-bucket.ts";
import { makeImage } from "./make-image.ts";
import type { Output } from "./output-form.ts";
import { writeImage } from "./output.ts";
import { joinPlatforms } from "./platforms.ts";
import { closureOf, ReferenceGraphSchema } from "./reference-graph.ts";

/** What nix/image.nix gives. */
const AttributesSchema = v.object({
  image: v.object({
    system: v.picklist(SYSTEMS),
    packageSet: v.pipe(
      v.string(),
      v.regex(/^[a-z0-9-]{1,64}$/, "packageSet is no identity of a set"),
    ),
    revision: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/, "revision is not 40 hex digits")),
    tag: v.pipe(v.string(), v.regex(TAG_PATTERN, "tag is no tag of a registry")),
    /** As in a name, with `shell`. */
    components: v.array(v.string()),
    /** Those of every image and of `shell` too. */
    packages: v.array(v.object({ ...FoundSchema.entries, storePath: StorePathSchema })),
    plan: v.nullable(v.string()),
    zstd: v.boolean(),
    format: v.picklist(["oci", "oci-archive", "docker-archive"]),
    libdeflate: v.string(),
  }),
  closure: ReferenceGraphSchema,
  outputs: v.object({ out: v.string() }),
});
type Attributes = v.InferOutput<typeof AttributesSchema>;

/** The author of Nix code may make images of any size. */
const NO_LIMITS = { closureLimit: Infinity, closurePaths: Infinity };

async function main(): Promise<void> {
  const parsed = v.safeParse(AttributesSchema, JSON.parse(await attributesText()));
  if (!parsed.success)
    throw new Error(v.flatten(parsed.issues).root?.[0] ?? issueOf(parsed.issues));
  const digest = await build(parsed.output, process.cwd());
  process.stderr.write(`${digest}\n`);
}

/**
 * Older Nix (2.8) names the file by its path outside of the sandbox: it lies where the build
 * begins.
 */
async function attributesText(): Promise<string> {
  const named = process.env["NIX_ATTRS_JSON_FILE"];
  for (const file of [...(named === undefined ? [] : [named]), ".attrs.json"])
    if (existsSync(file)) return readFile(file, "utf8");
  throw new Error("there is no .attrs.json: this runs in a derivation of nix/image.nix");
}

const issueOf = ([issue]: readonly v.BaseIssue<unknown>[]): string =>
  issue === undefined ? "" : `${v.getDotPath(issue)}: ${issue.message}`;

/** Makes the image, with `directory` for what is not the output; returns its digest. */
async function build({ image, closure, outputs }: Attributes, directory: string): Promise<string> {
  const request = parseList(image.components);
  const privateKey = readOriginKey(generateOriginKey().privateKey);
  const sign = signer(privateKey);
  const codecs = new Codecs(image.libdeflate);
  const bucket = new DirectoryBucket({
    directory: join(directory, "firn"),
    sign,
    publicKey: publicKeyOf(privateKey),
    compressor: (codec) => codecs.describe(codec),
  });
  const layers = openLayers({
    storage: bucket,
    cacheDir: join(directory, "firn-cache"),
    libdeflate: image.libdeflate,
    logger: pino({ base: null, level: "warn" }, process.stderr),
  });
  try {
    const { system, packageSet, revision } = image;
    const paths = closureOf(closure);
    const composed = await makeImage(
      {
        packageSet: builtSet(image.packages),
        readClosure: () => Promise.resolve(paths),
        bucket,
        layers: layers.of(NO_EDGE),
        plans: planStore(),
        // It stands in what is said of a package, which is no part of the image.
        nix: "",
        sign,
        zstd: image.zstd,
        limits: NO_LIMITS,
        signal: new AbortController().signal,
        log: (line) => process.stderr.write(`${line}\n`),
      },
      request,
      { packageSet, revision, system, plan: await putPlan(image.plan, bucket) },
    );
    const joined = joinPlatforms(
      new Map<System, typeof composed>([[system, composed]]),
      [system],
      bucket,
    );
    const name = { name: canonicalName(request.names, request.shell), tag: image.tag };
    await writeImage(joined, outputOf(image.format, outputs.out), name);
    return joined.root.digest;
  } finally {
    await layers.close();
  }
}

/** A package set with these packages alone, which are built. */
function builtSet(packages: Attributes["image"]["packages"]) {
  const outcomes = new Map(
    packages.map((found): [string, BuildOutcome] => [
      found.name,
      { kind: "built", package: builtPackage(found) },
    ]),
  );
  return {
    build: ({ names }: { readonly names: readonly string[] }): Promise<BuildOutcome[]> =>
      Promise.resolve(names.flatMap((name) => outcomes.get(name) ?? [])),
  };
}

async function putPlan(file: string | null, bucket: DirectoryBucket): Promise<string> {
  if (file === null) return NO_PLAN_ID;
  const plan = parsePlan(await readFile(file, "utf8"));
  await bucket.putText(canonicalJson(plan));
  return planId(plan);
}

const outputOf = (format: Attributes["image"]["format"], out: string): Output =>
  format === "oci"
    ? { kind: format, directory: out, reference: undefined }
    : { kind: format, file: out, reference: undefined };

await main().catch((error: unknown) => {
  process.stderr.write(`firn: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
