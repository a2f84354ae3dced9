import { expect, test } from "vitest";
import { editToken } from "../../src/domain/edit.ts";
import { setActive } from "../../src/domain/set-active.ts";
import { changed, edited, type Token } from "../../src/domain/token.ts";
import { updateToken } from "../../src/domain/update.ts";
import { ada, admin, bob, kindOf, openWorld, refusal, root } from "./world.ts";

test("an edit begins again with what somebody else has written meanwhile, so that neither change is lost", async () => {
  const { context, issue } = await openWorld();
  const { token } = await issue();
  const seen: Token[] = [];
  const result = await editToken(context, ada, { id: token.id }, (current) => {
    seen.push(current);
    // The SQLite store writes before it answers: the write is between this edit's reading and its own writing.
    if (seen.length === 1) void context.store.replace(current, edited(current, { active: false }));
    return edited(current, { label: "new" });
  });
  expect(seen.map(({ version }) => version)).toEqual([1, 2]);
  expect(result).toMatchObject({ label: "new", active: false, version: 3, revision: 3 });
  expect(await context.store.find(token.id)).toMatchObject({ label: "new", active: false, version: 3 });
});

test("an edit that is overtaken every time gives up, and changes nothing", async () => {
  const { context, issue } = await openWorld();
  const { token } = await issue();
  const edit = editToken(context, ada, { id: token.id }, (current) => {
    void context.store.replace(current, changed(current, {}));
    return edited(current, { label: "new" });
  });
  await expect(edit).rejects.toMatchObject(refusal("CONFLICT", "others keep changing this token; try again"));
  expect(await context.store.find(token.id)).toMatchObject({ label: "", revision: 1 });
});

test("an edit finds a token no more that was deleted meanwhile", async () => {
  const { context, issue } = await openWorld();
  const { token } = await issue();
  const edit = editToken(context, ada, { id: token.id }, (current) => {
    void context.store.remove(current.id);
    return edited(current, { label: "new" });
  });
  await expect(edit).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND", "no such token"));
  expect(await context.store.find(token.id)).toBeUndefined();
});

test("an edit with nothing to change writes nothing", async () => {
  const { context, issue } = await openWorld();
  const { token } = await issue();
  expect(await editToken(context, ada, { id: token.id }, (current) => current)).toMatchObject({ version: 1 });
  expect((await context.store.find(token.id))?.version).toBe(1);
});

test("an edit is refused where the token is out of reach, and its change is never computed", async () => {
  const { context, issue } = await openWorld();
  const { token } = await issue();
  let computed = false;
  const edit = editToken(context, bob, { id: token.id }, (current) => {
    computed = true;
    return edited(current, {});
  });
  await expect(edit).rejects.toMatchObject(refusal("TOKEN_NOT_FOUND"));
  expect(computed).toBe(false);
});

test("edits of twenty callers at the same moment all come to pass", async () => {
  const { context, issue } = await openWorld();
  const { token } = await issue();
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      updateToken(context, admin, { id: token.id }, { label: `label-${index}` }, ""),
    ),
  );
  expect(await context.store.find(token.id)).toMatchObject({ revision: 21, version: 21 });
});

test("a label that another token has taken is refused in an edit too", async () => {
  const { context, issue } = await openWorld(kindOf({ uniqueLabels: true }));
  await issue({ kind: "test", label: "a" });
  const { token } = await issue({ kind: "test", label: "b" });
  await expect(updateToken(context, root, { id: token.id }, { label: "a" }, "")).rejects.toMatchObject(
    refusal("LABEL_TAKEN", "label: another live token of this subject and kind has it"),
  );
  expect((await setActive(context, root, { id: token.id }, false)).label).toBe("b");
});
