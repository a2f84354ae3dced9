import { holdsUntil, type Token } from "../domain/token.ts";
import { encodeRecord, versionBytes } from "./record.ts";
import {
  childrenKey,
  claimKey,
  indexKey,
  indexMember,
  labelKey,
  pauseKey,
  placesKey,
  recordKey,
  subjectsKey,
} from "./redis-keys.ts";
import type { ScriptedRedis, Value } from "./redis-scripts.ts";
import { tagIn } from "./shard.ts";
import type { InsertOptions, Mark } from "./token-store.ts";

/** Runs `TokenStore.insert` as a script, which may answer also that the id is taken or the owner's writes are held up. */
export function insertToken(client: ScriptedRedis, token: Token, { cap, parent, mark }: InsertOptions) {
  const keys = [...sharedKeys(token, mark), ...tokenKeys(token)];
  const values = [...sharedValues(token, mark), ...tokenValues(token)];
  if (parent) {
    keys.push(...tokenKeys(parent.next, parent.previous));
    values.push(...tokenValues(parent.next, parent.previous));
  }
  return client.insertToken(keys.length, ...keys, ...values, cap ?? "inf");
}

/** Runs `TokenStore.replace` as a script, which may answer also that the owner's writes are held up. */
export function replaceToken(client: ScriptedRedis, previous: Token, next: Token, mark: Mark | undefined) {
  const keys = [...sharedKeys(next, mark), ...tokenKeys(next, previous)];
  const values = [...sharedValues(next, mark), ...tokenValues(next, previous)];
  return client.replaceToken(keys.length, ...keys, ...values);
}

/** A time as Redis takes it, for which 0 and less are no times. */
export function timeText(time: number | undefined): string {
  return time === undefined ? "inf" : String(Math.max(time, 1));
}

function sharedKeys(token: Token, mark: Mark | undefined): string[] {
  const tag = tagIn(token.id);
  return [claimKey(tag, mark?.name ?? ""), pauseKey(tag, token), indexKey(tag, token), subjectsKey(tag, token.tenant)];
}

function sharedValues({ subject }: Token, mark: Mark | undefined): Value[] {
  return [mark?.value ?? "", mark ? timeText(mark.until) : "", subject];
}

/** The keys of one token. Where there is no parent, its own key stands for the parent's. */
function tokenKeys(token: Token, previous = token): string[] {
  const tag = tagIn(token.id);
  const parentId = token.parentId || token.id;
  return [
    recordKey(token.id),
    labelKey(tag, token),
    labelKey(tag, previous),
    placesKey(tag, token),
    recordKey(parentId),
    childrenKey(parentId),
  ];
}

function tokenValues(token: Token, previous = token): Value[] {
  return [
    encodeRecord(token),
    versionBytes(previous.version),
    token.id,
    indexMember(token),
    indexMember(previous),
    token.createTime,
    timeText(token.purgeTime),
    token.holdsLabel ? timeText(holdsUntil(token)) : "",
    token.holdsPlace ? timeText(holdsUntil(token)) : "",
  ];
}
