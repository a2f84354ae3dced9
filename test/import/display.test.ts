import { describe, expect, test } from "vitest";
import { createDisplay } from "../../src/import/display.ts";
import { newProgress } from "../../src/import/progress-file.ts";

function openDisplay(terminal?: { columns: number }) {
  let now = 0;
  let written = "";
  const stream = {
    write(text: unknown) {
      written += text;
      return true;
    },
    ...(terminal && { isTTY: true, ...terminal }),
  };
  const progress = newProgress({ size: 2000, head: "" }, "");
  Object.assign(progress, { offset: 1130, line: 12_345, imported: 12_300, known: 40, refused: 5 });
  return {
    display: createDisplay("tokens.ndjson", stream, () => now),
    progress,
    pass: (span: number) => (now += span),
    written: () => written,
  };
}

const TEXT = "tokens.ndjson: 56 %, 12,300 imported, 40 already there, 5 refused";

describe("on a terminal", () => {
  test("the progress is told in one place, ten times a second at most", () => {
    const { display, progress, pass, written } = openDisplay({ columns: 80 });
    for (let n = 0; n < 1000; n++) {
      pass(1);
      display.update(progress);
    }
    expect(written()).toBe(TEXT + `\r\x1b[K${TEXT}`.repeat(9));
  });

  test("it stays on one row", () => {
    const { display, progress, pass, written } = openDisplay({ columns: 20 });
    pass(100);
    display.update(progress);
    expect(written()).toBe(TEXT.slice(0, 19));
  });

  test("all else is told on lines of its own", () => {
    const { display, progress, pass, written } = openDisplay({ columns: 80 });
    display.say("goes on");
    pass(100);
    display.update(progress);
    display.refuse(7, "tenant: is missing");
    display.refuse(8, "is not JSON");
    expect(written()).toBe(
      `tokens.ndjson: goes on\n${TEXT}\r\x1b[Ktokens.ndjson:7: tenant: is missing\ntokens.ndjson:8: is not JSON\n`,
    );
  });
});

test("elsewhere the progress is a line every three seconds", () => {
  const { display, progress, pass, written } = openDisplay();
  for (let n = 0; n < 10; n++) {
    pass(1000);
    display.update(progress);
  }
  expect(written()).toBe(`${TEXT}\n`.repeat(3));
});

test("an empty file is done at once", () => {
  const { display, pass, written } = openDisplay();
  pass(3000);
  display.update(newProgress({ size: 0, head: "" }, ""));
  expect(written()).toContain(": 100 %, 0 imported");
});
