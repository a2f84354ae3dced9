import { defineConfig } from "vitest/config";

/** What fails of Redis, and what becomes of it: `npm run test:failures`. One case after the other, for they measure time. */
export default defineConfig({
  test: {
    include: ["test/failures/*.cases.ts"],
    globalSetup: "test/support/system-tools.ts",
    fileParallelism: false,
  },
});
