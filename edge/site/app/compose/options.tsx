/** The options of an image beside its packages: platform, tag, shell, and whether to pin it. */
import type { ImageView } from "../../../contract/api.ts";
import type { Asked } from "../api.ts";
import { type Composition, type Platform, PLATFORMS } from "./composition.ts";
import { isRefused } from "./image-commands.tsx";

const PLATFORM_WORDS: Record<Platform, string> = {
  any: "any",
  amd64: "linux/amd64",
  arm64: "linux/arm64",
};

interface OptionsProps {
  readonly composition: Composition;
  readonly view: Asked<ImageView>;
  readonly onChange: (more: Partial<Composition>) => void;
}

/** `view`: its revision is what `pin` stays at. */
export function Options({ composition, view, onChange }: OptionsProps) {
  const { shell, platform, tag, pin } = composition;
  const revision = view.answer?.revision ?? null;
  return (
    <div class="options">
      <label>
        Platform
        <select
          value={platform}
          onChange={(event) => onChange({ platform: event.currentTarget.value as Platform })}
        >
          {PLATFORMS.map((each) => (
            <option key={each} value={each}>
              {PLATFORM_WORDS[each]}
            </option>
          ))}
        </select>
      </label>
      <label>
        Tag
        <input
          type="text"
          class="tag"
          value={tag}
          placeholder="latest"
          aria-invalid={tag !== "" && view.error !== null && isRefused(view)}
          spellcheck={false}
          autocapitalize="none"
          onInput={(event) => onChange({ tag: event.currentTarget.value.trim(), pin: false })}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={shell}
          onChange={(event) => onChange({ shell: event.currentTarget.checked })}
        />
        <span>
          <b>shell</b> bash and the usual tools
        </span>
      </label>
      <label class="check" title={revision === null ? "" : `Revision ${revision}`}>
        <input
          type="checkbox"
          checked={pin}
          disabled={revision === null}
          onChange={(event) => onChange({ pin: event.currentTarget.checked })}
        />
        <span>
          <b>pin</b> stay at this revision
        </span>
      </label>
    </div>
  );
}
