/**
 * The commands of a page of documentation, in their order:
 *
 *   - every line of a block that is marked `sh`, less its comments; a line that ends with `\` goes on;
 *   - every code span of a program that people run, with arguments: `firn push NAME TARGET`.
 *
 * A span of a program and one word (`firn push`, `docker login`, `npm run site`) only mentions it.
 * Cells of a table write `\|` for a pipe. A block without a language could be anything, so there is
 * none: what is no command is marked `text`, `toml` …
 */

export interface PageCommand {
  readonly page: string;
  readonly line: number;
  readonly text: string;
}

export interface PageText {
  readonly commands: readonly PageCommand[];
  readonly mentions: readonly PageCommand[];
  /** Lines of fences that say no language. */
  readonly unmarked: readonly number[];
  /** Lines in which a code span goes on to the next one, so that nobody can copy it. */
  readonly broken: readonly number[];
}

/** Programs whose code spans are commands of the reader's. */
const PROGRAMS =
  "npm|npx|firn|docker|podman|skopeo|ctr|curl|git|oras|cosign|trivy|rsync|openssl|systemctl|kubectl|" +
  "journalctl|nix|nix-store|apt-get|du|cp|promtool";
const COMMAND = new RegExp(`^(?:[A-Z][A-Z0-9_]*=\\S* )*(?:${PROGRAMS}) [^\\s=]`);
const MENTION = /^(?:npm run (?:-s )?[a-z]+(?: --)?|[a-z-]+ \S+)$/;

export function readPage(page: string, markdown: string): PageText {
  const commands: PageCommand[] = [];
  const mentions: PageCommand[] = [];
  const unmarked: number[] = [];
  const broken: number[] = [];
  let language: string | undefined;
  let begun: PageCommand | undefined;
  for (const [at, raw] of markdown.split("\n").entries()) {
    const line = at + 1;
    const fence = /^\s*```(\S*)\s*$/.exec(raw);
    if (fence !== null) {
      if (language === undefined && fence[1] === "") unmarked.push(line);
      language = language === undefined ? (fence[1] ?? "") : undefined;
    } else if (language === "sh") {
      const text = raw.replace(/(^|\s)#(\s.*)?$/, "").trim();
      const whole: PageCommand =
        begun === undefined ? { page, line, text } : { ...begun, text: `${begun.text} ${text}` };
      begun = undefined;
      if (text.endsWith("\\")) begun = { ...whole, text: whole.text.slice(0, -1).trim() };
      else if (whole.text !== "") commands.push(whole);
    } else if (language === undefined) {
      if ((raw.split("`").length - 1) % 2 === 1) broken.push(line);
      for (const [, span = ""] of raw.matchAll(/(?<!`)`([^`]+)`(?!`)/g)) {
        const text = span.replaceAll("\\|", "|").trim();
        if (!COMMAND.test(text)) continue;
        (MENTION.test(text) ? mentions : commands).push({ page, line, text });
      }
    }
  }
  return { commands, mentions, unmarked, broken };
}
