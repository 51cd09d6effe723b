/** The commands to copy for an image. Pure. */

export interface Image {
  /** Host and port of the registry. */
  readonly host: string;
  /** Whether the registry has no TLS, which podman must be told. */
  readonly plain: boolean;
  readonly name: string;
  /** Tag or revision; empty for latest. */
  readonly tag: string;
  readonly shell: boolean;
}

export const KINDS = ["Docker", "Podman", "Kubernetes", "FROM", "COPY --from"] as const;
export type Kind = (typeof KINDS)[number];

const reference = ({ host, name, tag }: Image): string =>
  `${host}/${name}${tag === "" ? "" : `:${tag}`}`;

/**
 * Whether an image without `shell` has a command of its own: with several packages mostly not,
 * since it cannot be the main programs of all.
 */
const hasCommand = ({ name }: Image): boolean =>
  name.split("/").filter((part) => part !== "amd64" && part !== "arm64").length === 1;

/** Text to copy as a whole. */
export function command(kind: Kind, image: Image): string {
  const ref = reference(image);
  switch (kind) {
    case "Docker":
      return image.shell
        ? `docker run --rm -it ${ref}`
        : [`docker pull ${ref}`, ...(hasCommand(image) ? [`docker run --rm ${ref}`] : [])].join(
            "\n",
          );
    case "Podman": {
      const tls = image.plain ? " --tls-verify=false" : "";
      return image.shell
        ? `podman run${tls} --rm -it ${ref}`
        : [
            `podman pull${tls} ${ref}`,
            ...(hasCommand(image) ? [`podman run --rm ${ref}`] : []),
          ].join("\n");
    }
    case "Kubernetes":
      return [
        "apiVersion: v1",
        "kind: Pod",
        "metadata:",
        "  name: firn",
        "spec:",
        "  containers:",
        "    - name: firn",
        `      image: ${ref}`,
        ...(image.shell ? ["      command: [sleep, infinity]"] : []),
        ...(image.shell || hasCommand(image) ? [] : ["      command: [PROGRAM]"]),
      ].join("\n");
    case "FROM":
      return `FROM ${ref}`;
    case "COPY --from":
      return [
        `COPY --from=${ref} /nix/store /nix/store`,
        `COPY --from=${ref} /bin /usr/local/bin`,
      ].join("\n");
  }
}
