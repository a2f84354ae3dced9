import { readKeysFile } from "./config/keys-file.ts";
import { requireSameKeys } from "./config/live-keys.ts";
import { type Config, readConfig } from "./config.ts";
import { systemClock } from "./domain/clock.ts";
import type { KeyRing } from "./domain/keys.ts";
import { TokenError } from "./errors.ts";
import { explain } from "./explain.ts";
import { countsOf, createDisplay } from "./import/display.ts";
import { importFile } from "./import/import-file.ts";
import { openFile } from "./import/open-import.ts";
import { openStore } from "./store/open-store.ts";

// `npm run import -- <file>`. Ends with 0 if all lines are in, 2 if some were refused, 1 if it did not get to the end.

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`latchkey can't import: ${explain(error)}\n`);
  process.exitCode = 1;
}

async function run([path, ...others]: readonly string[]): Promise<number> {
  if (path === undefined || others.length > 0) {
    process.stderr.write("usage: npm run import -- <file>\n");
    return 1;
  }
  // A terminal sends Ctrl-C to npm and to us, and npm passes it on: the second one means nothing.
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop.abort());

  const config = readConfig(process.env);
  const keys = readSources(config);
  await using file = await openFile(path);
  await using opened = new AsyncDisposableStack();
  const store = await openStore(config.store.location, { ...config.store, clock: systemClock });
  opened.defer(() => store.close());
  await requireSameKeys(store, config.keysPath, keys, false);

  const context = { store: store.settled, kinds: config.kinds, keys, clock: store.clock };
  const display = createDisplay(path, process.stderr, systemClock);
  const progress = await importFile(context, path, file, display, stop.signal);
  if (!progress.finished) return 1;
  const seconds = (progress.milliseconds / 1000).toFixed(1);
  process.stdout.write(`${path}: ${countsOf(progress)}, in ${seconds} s\n`);
  return progress.refused === 0 ? 0 : 2;
}

/** The keys are never made here: the tokens would be lost on the service. */
function readSources({ keysPath }: Config): KeyRing {
  const keys = readKeysFile(keysPath);
  if (keys.imported.length > 0) return keys;
  const remedy = "it must say under `imported:` how the secrets of the tokens are recognised, see docs/import.md";
  throw new TokenError("INVALID_REQUEST", `${keysPath} names no source of tokens: ${remedy}`);
}
