/**
 * kubernetes.yaml has the fields of Kubernetes' own API: the compiler checks its documents as
 * literals of kubernetes-types, which are made from the OpenAPI schema, so a misspelt field, one in
 * the wrong place or of the wrong type is an error. And what a document refers to by name is there.
 */
import assert from "node:assert/strict";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { execa } from "execa";
import type { StatefulSet } from "kubernetes-types/apps/v1.d.ts";
import type { Service } from "kubernetes-types/core/v1.d.ts";
import type { Ingress } from "kubernetes-types/networking/v1.d.ts";
import { parseAllDocuments } from "yaml";
import { ROOT } from "../../harness/start-process.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";

const MANIFEST = join(ROOT, "origin/server/examples/kubernetes.yaml");
/** A secret that the manifest has its reader make, as a comment in it says. */
const MADE_BY_READER = "rack-1";

interface Document {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** As kubectl reads YAML: by version 1.1, in which 0400 is octal. */
const documentsOf = (text: string): Document[] =>
  parseAllDocuments(text, { version: "1.1", uniqueKeys: true }).map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], []);
    return document.toJS() as Document;
  });

/** What the compiler says of the documents; empty when they have only fields of their kinds. */
async function compilerErrors(documents: readonly Document[]): Promise<string> {
  const dir = await tempDir("kubernetes");
  try {
    await symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
    const literals = documents.map((document, at) => {
      const group = document.apiVersion.split(".")[0]?.replace(/^v1$/, "core/v1") ?? "";
      const path = group.includes("/") ? group : `${group}/${document.apiVersion.split("/")[1]}`;
      const type = `import("kubernetes-types/${path}").${document.kind}`;
      return `export const document${at}: ${type} = ${JSON.stringify(document)};`;
    });
    await writeFile(join(dir, "manifest.ts"), literals.join("\n"));
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    const options = "--noEmit --strict --skipLibCheck --module preserve --ignoreConfig".split(" ");
    const { stdout } = await execa(tsc, [...options, "manifest.ts"], { cwd: dir, reject: false });
    return stdout;
  } finally {
    await removeTree(dir);
  }
}

describe("kubernetes.yaml", () => {
  let text: string;
  let documents: Document[];
  const ofKind = <T extends object>(kind: string): (Document & T)[] =>
    documents.filter((document) => document.kind === kind) as (Document & T)[];
  const names = (kind: string): string[] => ofKind(kind).map(({ metadata }) => metadata.name);
  before(async () => {
    text = await readFile(MANIFEST, "utf8");
    documents = documentsOf(text);
  });

  test("every field is one of Kubernetes' API, with its type", async () => {
    assert.ok(documents.length > 6, "the documents were not found");
    assert.equal(await compilerErrors(documents), "");
  });

  for (const [what, from, to] of [
    ["a misspelt field", "runAsNonRoot: true", "runAsNonroot: true"],
    ["a field in the wrong place", "terminationGracePeriodSeconds: 15", "replicas: 15"],
    ["a value of another type", "replicas: 1", "replicas: one"],
    ["a value that is none of the allowed", "type: RuntimeDefault", "types: RuntimeDefault"],
  ] as const)
    test(`${what} is found`, async () => {
      const wrong = documentsOf(text.replace(from, to));
      assert.match(await compilerErrors(wrong), /error TS/);
    });

  test("all but the namespace itself is in the namespace", () => {
    const [namespace] = names("Namespace");
    for (const { kind, metadata } of documents)
      if (kind !== "Namespace") assert.equal(metadata.namespace, namespace, metadata.name);
  });

  test("pods: their labels, service, variables, volumes and ports", () => {
    const sets = ofKind<StatefulSet>("StatefulSet");
    assert.ok(sets.length > 1);
    for (const { spec } of sets) {
      const { template, selector, serviceName, volumeClaimTemplates = [] } = spec ?? assert.fail();
      assert.deepEqual(template.metadata?.labels, selector.matchLabels);
      assert.ok(names("Service").includes(serviceName), `there is no Service ${serviceName}`);
      const { containers, volumes = [] } = template.spec ?? assert.fail();
      for (const { secret } of volumes) assert.equal(secret?.secretName, MADE_BY_READER);
      const mountable = new Set([
        ...volumes.map(({ name }) => name),
        ...volumeClaimTemplates.map(({ metadata }) => metadata?.name),
      ]);
      for (const { envFrom = [], volumeMounts = [], ports = [], ...container } of containers) {
        for (const { configMapRef, secretRef } of envFrom) {
          if (configMapRef) assert.ok(names("ConfigMap").includes(configMapRef.name ?? ""));
          if (secretRef) assert.ok(names("Secret").includes(secretRef.name ?? ""));
        }
        for (const { name } of volumeMounts)
          assert.ok(mountable.has(name), `there is no volume ${name}`);
        for (const probe of [container.startupProbe, container.readinessProbe])
          if (probe !== undefined)
            assert.ok(ports.some(({ name }) => name === probe.tcpSocket?.port));
      }
    }
  });

  test("services select pods, and lead to their ports; the ingress leads to a service", () => {
    const sets = ofKind<StatefulSet>("StatefulSet");
    const services = ofKind<Service>("Service");
    for (const { spec } of services) {
      const set = sets.find(
        ({ spec: of }) => of?.selector.matchLabels?.["app"] === spec?.selector?.["app"],
      );
      const ports = set?.spec?.template.spec?.containers.flatMap(({ ports = [] }) => ports) ?? [];
      assert.notEqual(set, undefined, "a Service selects no pod");
      for (const { targetPort } of spec?.ports ?? [])
        assert.ok(
          ports.some(({ name }) => name === targetPort),
          `no port ${targetPort}`,
        );
    }
    for (const { spec } of ofKind<Ingress>("Ingress"))
      for (const { http } of spec?.rules ?? [])
        for (const { backend } of http?.paths ?? assert.fail()) {
          const service = services.find(({ metadata }) => metadata.name === backend.service?.name);
          const port = backend.service?.port?.name;
          assert.ok(service?.spec?.ports?.some(({ name }) => name === port));
        }
  });
});
