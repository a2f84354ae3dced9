import type { DatabaseSync } from "node:sqlite";

/** The statements of the SQLite store, prepared once. A `:now` keeps out what is past its purge time. */
export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: DatabaseSync) {
  return {
    savepoint: database.prepare("SAVEPOINT change"),
    undo: database.prepare("ROLLBACK TO change"),
    find: database.prepare("SELECT record FROM tokens WHERE id = :id AND purge_time > :now"),
    labelHolder: database.prepare(`
      SELECT id FROM tokens
      WHERE tenant = :tenant AND tag = :tag AND subject = :subject AND kind = :kind AND label = :label
        AND label_until > :now AND purge_time > :now AND id <> :id LIMIT 1`),
    countPlaces: database.prepare(`
      SELECT count(*) AS places FROM tokens
      WHERE tenant = :tenant AND tag = :tag AND subject = :subject AND kind = :kind
        AND place_until > :now AND purge_time > :now`),
    purge: database.prepare(`
      DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE purge_time <= :now ORDER BY purge_time LIMIT :most)`),
    insert: database.prepare(`
      INSERT OR REPLACE INTO tokens
      VALUES (:id, :tenant, :tag, :subject, :kind, :label, :parentId, :createTime, :purgeTime, :labelUntil, :placeUntil,
        :record)`),
    replace: database.prepare(`
      UPDATE tokens SET label = :label, purge_time = :purgeTime, label_until = :labelUntil, place_until = :placeUntil,
        record = :record
      WHERE id = :id`),
    patch: database.prepare("UPDATE tokens SET record = :record WHERE id = :id"),
    remove: database.prepare("DELETE FROM tokens WHERE id = :id"),
    child: database.prepare(
      "SELECT id FROM tokens WHERE parent_id = :id AND parent_id <> '' AND purge_time > :now LIMIT 1",
    ),
    ownerPage: database.prepare(`
      SELECT id, record FROM tokens
      WHERE tenant = :tenant AND tag = :tag AND subject = :subject AND (create_time, id) < (:createTime, :id)
        AND purge_time > :now
      ORDER BY create_time DESC, id DESC LIMIT :limit`),
    tenantPage: database.prepare(`
      SELECT id, record FROM tokens
      WHERE tenant = :tenant AND (tag, subject) > (:tag, :subject) AND purge_time > :now
      ORDER BY tag, subject, create_time DESC, id DESC LIMIT :limit`),
    findClaim: database.prepare("SELECT value FROM claims WHERE tag = :tag AND name = :name AND until > :now"),
    addClaim: database.prepare("INSERT OR REPLACE INTO claims VALUES (:tag, :name, :value, :until)"),
    purgeClaims: database.prepare(`
      DELETE FROM claims WHERE rowid IN (SELECT rowid FROM claims WHERE until <= :now ORDER BY until LIMIT :most)`),
    findAlias: database.prepare("SELECT id, purge_time FROM aliases WHERE alias = :alias AND purge_time > :now"),
    addAlias: database.prepare("INSERT OR REPLACE INTO aliases VALUES (:alias, :id, :purgeTime)"),
    purgeAliases: database.prepare(`
      DELETE FROM aliases
      WHERE alias IN (SELECT alias FROM aliases WHERE purge_time <= :now ORDER BY purge_time LIMIT :most)`),
    fingerprints: database.prepare("SELECT fingerprint FROM fingerprints"),
    addFingerprint: database.prepare("INSERT OR IGNORE INTO fingerprints VALUES (:fingerprint)"),
    ping: database.prepare("SELECT 1 FROM meta"),
  };
}
