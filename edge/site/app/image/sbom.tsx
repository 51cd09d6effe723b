/**
 * The bill of materials of an image: what refers to its manifest (distribution spec, "Referrers").
 */
import { useEffect, useState } from "preact/hooks";
import { OCI_MANIFEST } from "../../../contract/media-types.ts";
import { fromRegistry } from "../api.ts";

const SPDX = "application/spdx+json";

interface Referrer {
  readonly digest: string;
  readonly artifactType?: string;
}
interface Artifact {
  readonly layers: readonly { readonly digest: string }[];
}

interface SbomProps {
  readonly name: string;
  readonly digest: string;
}

/** A button that downloads the bill of materials, if the manifest has one. */
export function SbomLink({ name, digest }: SbomProps) {
  const [referrer, setReferrer] = useState<string | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const find = async (): Promise<void> => {
      const response = await fromRegistry(name, `referrers/${digest}`, { signal: stop.signal });
      const { manifests } = (await response.json()) as { manifests: readonly Referrer[] };
      setReferrer(manifests.find(({ artifactType }) => artifactType === SPDX)?.digest ?? null);
    };
    find().catch(() => undefined);
    return () => stop.abort();
  }, [name, digest]);
  if (referrer === null) return null;
  const download = async (): Promise<void> => {
    setFailure(null);
    try {
      const headers = { Accept: OCI_MANIFEST };
      const manifest = await fromRegistry(name, `manifests/${referrer}`, { headers });
      const { layers } = (await manifest.json()) as Artifact;
      const blob = await (await fromRegistry(name, `blobs/${layers[0]?.digest}`)).blob();
      save(blob, `${name.replaceAll("/", "-")}.spdx.json`);
    } catch (error) {
      setFailure((error as Error).message);
    }
  };
  return (
    <p>
      <button type="button" class="secondary" onClick={() => void download()}>
        Download the SBOM (SPDX)
      </button>
      {failure !== null && (
        <span class="notice bad" role="alert">
          {failure}
        </span>
      )}
    </p>
  );
}

/** As a file of that name. */
function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
