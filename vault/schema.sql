-- The vault's database. Signed things lie here as their canonical bytes; columns beside them are what is looked up by.
CREATE TABLE IF NOT EXISTS roster (
  version INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS invitation (
  id BLOB PRIMARY KEY,
  name TEXT NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  roles INTEGER NOT NULL,
  expires_ns INTEGER NOT NULL,
  device BLOB,              -- null until the guest has joined
  mac BLOB,
  admitted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS logout (
  login BLOB PRIMARY KEY,   -- hash of the login certificate
  expires_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS policy (
  directory INTEGER NOT NULL,
  version INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  position INTEGER NOT NULL,  -- of its leaf
  PRIMARY KEY (directory, version));
CREATE TABLE IF NOT EXISTS secret (
  secret BLOB NOT NULL,
  version INTEGER NOT NULL,
  header BLOB NOT NULL,
  header_hash BLOB NOT NULL,
  share_table BLOB NOT NULL,
  policy BLOB NOT NULL,     -- the one it was sealed under
  position INTEGER NOT NULL, -- of its leaf
  inner BLOB NOT NULL,      -- deleting it destroys the version
  PRIMARY KEY (secret, version));
CREATE INDEX IF NOT EXISTS secret_by_header ON secret (header_hash);
CREATE TABLE IF NOT EXISTS request (
  rd BLOB PRIMARY KEY,
  state INTEGER NOT NULL,   -- conclave.vault.v1.State
  approved INTEGER NOT NULL DEFAULT 0,  -- it had its quorum, whatever came of it
  bytes BLOB NOT NULL,
  claims BLOB NOT NULL,     -- for who decides, not for the log
  header_hash BLOB NOT NULL,
  person TEXT NOT NULL,
  session INTEGER NOT NULL, -- whom its events are for
  path_now TEXT NOT NULL,
  filed_ns INTEGER NOT NULL,
  expires_ns INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS request_by_state ON request (state, expires_ns);
CREATE INDEX IF NOT EXISTS request_by_person ON request (person, state);
CREATE TABLE IF NOT EXISTS vote (
  rd BLOB NOT NULL REFERENCES request (rd),
  person TEXT NOT NULL,
  kind INTEGER NOT NULL,    -- LeafKind: approve, deny, share
  bytes BLOB NOT NULL,      -- an approval with its share: given out with the request's release alone, and deleted if it ends otherwise
  position INTEGER NOT NULL, -- of its leaf
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  UNIQUE (rd, person, kind));
CREATE TABLE IF NOT EXISTS release (
  rd BLOB PRIMARY KEY REFERENCES request (rd),
  answer BLOB NOT NULL);    -- ReleaseResponse: asking again returns the same bytes
CREATE TABLE IF NOT EXISTS record (
  rd BLOB NOT NULL,
  happening INTEGER NOT NULL,
  at_ns INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (rd, happening, at_ns));
CREATE TABLE IF NOT EXISTS leaf (
  position INTEGER PRIMARY KEY,  -- from 0
  bytes BLOB NOT NULL);
