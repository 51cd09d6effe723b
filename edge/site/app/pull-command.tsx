/** The command that pulls an image by docker from this registry. */
import { command } from "./commands.ts";
import { CommandBox } from "./components.tsx";

/** `tag`: empty for `latest`. */
export function PullCommand({ name, tag }: { readonly name: string; readonly tag: string }) {
  const text = command("Docker", {
    host: location.host,
    plain: location.protocol === "http:",
    name,
    tag,
    shell: name.split("/").includes("shell"),
  });
  return <CommandBox kind="Docker" text={text} />;
}
