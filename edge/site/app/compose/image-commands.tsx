/** The commands that pull or use the image, one tab for each tool. */
import { useState } from "preact/hooks";
import type { ImageView } from "../../../contract/api.ts";
import { type Asked, Refused } from "../api.ts";
import { CommandBox } from "../command-box.tsx";
import { command, type Kind, KINDS } from "../commands.ts";
import { Tabs } from "../tabs.tsx";
import type { Composition } from "./composition.ts";

/** Whether the registry has no such image, so that there is nothing to copy. */
export const isRefused = ({ answer, error }: Asked<ImageView>): boolean =>
  (error instanceof Refused && [400, 404].includes(error.status)) ||
  answer?.platforms.some(({ state }) => state === "unknown") === true;

interface ImageCommandsProps {
  readonly composition: Composition;
  readonly name: string;
  readonly view: Asked<ImageView>;
}

/** `name`: the image's, written out or by its alias; empty when nothing is chosen. */
export function ImageCommands({ composition, name, view }: ImageCommandsProps) {
  const [kind, setKind] = useState<Kind>("Docker");
  if (name === "")
    return (
      <p class="notice">Add a package or the shell to get the command that pulls the image.</p>
    );
  if (isRefused(view))
    return <p class="notice">This image does not exist, so there is no command to pull it.</p>;
  const text = command(kind, {
    host: location.host,
    plain: location.protocol === "http:",
    name,
    tag: (composition.pin ? view.answer?.revision : null) ?? composition.tag,
    shell: composition.shell,
  });
  return (
    <Tabs label="Command for" id="command" tabs={KINDS} chosen={kind} onChoose={setKind}>
      <CommandBox kind={kind} text={text} />
    </Tabs>
  );
}
