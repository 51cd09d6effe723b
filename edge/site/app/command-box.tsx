/** A command in a box, with a button that copies it. */
import { useEffect, useState } from "preact/hooks";
import { command } from "./commands.ts";

/** The command that pulls an image from this registry with docker. `tag`: empty for `latest`. */
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

/** How long a button says that it has copied, milliseconds. */
const COPIED_MS = 2_000;

/** A command in a box, with a button that copies it. `kind`: what it is for, such as Docker. */
export function CommandBox({ kind, text }: { readonly kind: string; readonly text: string }) {
  return (
    <div class="command">
      <pre tabIndex={0} aria-label={`${kind} command`}>
        {text}
      </pre>
      <Copy text={text} what="the command" />
    </div>
  );
}

/** A button that copies a text to the clipboard. */
function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [told, setTold] = useState<"Copied" | "Not copied" | null>(null);
  useEffect(() => {
    if (told === null) return undefined;
    const timer = setTimeout(() => setTold(null), COPIED_MS);
    return () => clearTimeout(timer);
  }, [told]);
  return (
    <>
      <button
        type="button"
        class={`copy ${told === "Copied" ? "good" : ""}`}
        aria-label={told ?? `Copy ${what}`}
        onClick={() =>
          void writeText(text).then(
            () => setTold("Copied"),
            () => setTold("Not copied"),
          )
        }
      >
        {told ?? "Copy"}
      </button>
      <span class="sr" role="status">
        {told === "Not copied" ? "Not copied: select the text and copy it by hand." : told}
      </span>
    </>
  );
}

/** The clipboard's own interface is there with TLS and on this machine only. */
async function writeText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("the browser copies nothing");
}
