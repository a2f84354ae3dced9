import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PROJECT = join(import.meta.dirname, "../..");

/** What a Dockerfile makes, in a folder instead of an image. */
export interface Image {
  /** What it begins with, for example `node:24-slim`. */
  readonly base: string;
  /** What lies in its working folder. */
  readonly folder: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly user: string;
  readonly port: number;
  readonly command: readonly string[];
}

/**
 * Does what deploy/Dockerfile says, as far as that needs no Docker: copies and installs, stage by stage, into folders below this one.
 * Of the project it takes only what deploy/Dockerfile.dockerignore lets through.
 */
export function buildImage(folder: string): Image {
  const stages = new Map<string, Image>();
  let stage: Image | undefined;
  for (const [word, rest] of readInstructions()) {
    if (word === "FROM") {
      const [base = "", , name = "last"] = rest.split(" ");
      stage = { base, folder: join(folder, name), variables: {}, user: "root", port: 0, command: [] };
      mkdirSync(stage.folder);
    } else if (!stage) throw new Error("FROM must come first");
    else stage = carryOut(stage, word, rest, stages);
    stages.set(stage.folder, stage);
  }
  return stage as Image;
}

function carryOut(stage: Image, word: string, rest: string, stages: ReadonlyMap<string, Image>): Image {
  switch (word) {
    case "WORKDIR":
      if (rest !== "/app") throw new Error("the working folder is /app in all stages");
      return stage;
    case "COPY":
      copy(stage.folder, rest.split(" "), stages);
      return stage;
    case "RUN":
      // What the tests were installed from is in npm's cache.
      execFileSync("sh", ["-c", rest], {
        cwd: stage.folder,
        env: { ...process.env, npm_config_prefer_offline: "true" },
      });
      return stage;
    case "ENV":
      return { ...stage, variables: Object.fromEntries(rest.split(" ").map((pair) => pair.split("=", 2))) };
    case "USER":
      return { ...stage, user: rest };
    case "EXPOSE":
      return { ...stage, port: Number(rest) };
    case "CMD":
      return { ...stage, command: JSON.parse(rest) };
    default:
      throw new Error(`${word} is not known here`);
  }
}

function readInstructions(): [word: string, rest: string][] {
  const lines = readFileSync(join(PROJECT, "deploy/Dockerfile"), "utf8").split("\n");
  return lines
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]);
}

function copy(folder: string, words: string[], stages: ReadonlyMap<string, Image>): void {
  const target = words.pop() as string;
  const [, from] = /^--from=(.+)$/.exec(words[0] ?? "") ?? [];
  const allowed = readFileSync(join(PROJECT, "deploy/Dockerfile.dockerignore"), "utf8");
  for (const word of from ? words.slice(1) : words) {
    if (!from && !allowed.includes(`!${word}\n`)) throw new Error(`.dockerignore leaves ${word} out`);
    const stage = [...stages.values()].find((other) => other.folder.endsWith(`/${from}`));
    const source = from ? join(stage?.folder ?? "", word.replace(/^\/app\//, "")) : join(PROJECT, word);
    if (!existsSync(source)) throw new Error(`there is no ${word}`);
    cpSync(source, target === "./" ? join(folder, word) : join(folder, target), { recursive: true });
  }
}
