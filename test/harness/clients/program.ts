/** Runs a client's program to its end. */
import { execa } from "execa";

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunProgram {
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads; nothing when left out. */
  readonly input?: string;
  /** Whether it throws, with the program's words, when the program fails; it does when left out. */
  readonly reject?: boolean;
}

export async function runProgram(
  program: string,
  args: readonly string[],
  { env = {}, input = "", reject = true }: RunProgram = {},
): Promise<RunResult> {
  const { exitCode, stdout, stderr } = await execa(program, args, { env, input, reject });
  return { exitCode: exitCode ?? -1, stdout, stderr };
}
