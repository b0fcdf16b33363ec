-- The directory server's database. Numbers of 64 bits are stored as the signed integer of the same bits; names,
-- targets and attributes' values are blobs. One row of `state` says what is in use.

CREATE TABLE state (
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  format       INTEGER NOT NULL,   -- of this schema: 1
  inode_bound  INTEGER NOT NULL,   -- numbers below were possibly given out; raised in synced commits only
  chunk_bound  INTEGER NOT NULL,
  cookie_bound INTEGER NOT NULL,
  identity     BLOB NOT NULL,      -- 16 random bytes, made with the database
  timeline     INTEGER NOT NULL,   -- rises when an older database is accepted (dir_past.h)
  committed_ns INTEGER NOT NULL,   -- wall time of the last commit
  commits      INTEGER NOT NULL,   -- rises by one with every commit: what `frees.since` refers to
  inodes       INTEGER NOT NULL,   -- rows of nodes
  chunks       INTEGER NOT NULL,   -- rows of chunks
  orphans      INTEGER NOT NULL    -- rows of orphans
);

CREATE TABLE nodes (
  inode     INTEGER PRIMARY KEY,   -- never reused
  mode      INTEGER NOT NULL,      -- type and permission bits
  nlink     INTEGER NOT NULL,
  uid       INTEGER NOT NULL,
  gid       INTEGER NOT NULL,
  rdev      INTEGER NOT NULL,
  size      INTEGER NOT NULL,
  allocated INTEGER NOT NULL,      -- bytes, as the last writer knew
  atime_ns  INTEGER NOT NULL,
  mtime_ns  INTEGER NOT NULL,
  ctime_ns  INTEGER NOT NULL,
  btime_ns  INTEGER NOT NULL,
  change    INTEGER NOT NULL,      -- rises with every change; read as inode_bound at D's start << 24 if that is more
  xattrs    INTEGER NOT NULL,      -- rows of xattrs
  acls      INTEGER NOT NULL,      -- 1: has an access ACL, 2: has a default ACL
  class     INTEGER NOT NULL,      -- dir.proto Class
  parent    INTEGER NOT NULL,      -- of a directory: the one that names it; of the root: itself; else 0
  target    BLOB NOT NULL          -- of a symbolic link
);

CREATE TABLE names (
  parent INTEGER NOT NULL,
  name   BLOB NOT NULL,
  inode  INTEGER NOT NULL,
  type   INTEGER NOT NULL,         -- S_IFMT bits
  cookie INTEGER NOT NULL,         -- rising, never reused: where readdir goes on
  PRIMARY KEY (parent, name)
) WITHOUT ROWID;
CREATE INDEX names_in_order ON names (parent, cookie, inode, type);

CREATE TABLE xattrs (
  inode INTEGER NOT NULL,
  name  BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (inode, name)
) WITHOUT ROWID;

CREATE TABLE chunks (
  inode    INTEGER NOT NULL,
  position INTEGER NOT NULL,       -- in the file, from 0
  chunk    INTEGER NOT NULL,       -- its id at the file servers, never reused
  chainver INTEGER NOT NULL,       -- rises with every change of members
  born     INTEGER NOT NULL,       -- 1: a commit has covered it, so every member in sync holds something of it
  doubted  INTEGER NOT NULL,       -- 1: its only member came back with less than it had
  start    INTEGER NOT NULL,       -- offset in the file
  length   INTEGER NOT NULL,       -- of a sealed chunk of an append file; else 0
  copies   INTEGER NOT NULL,       -- members in sync
  members  BLOB NOT NULL,          -- how many in sync (1 byte), their ids (4 bytes each), then former members' ids
  cursors  BLOB NOT NULL,          -- of an append file, as the chunk before was sealed
  PRIMARY KEY (inode, position)
) WITHOUT ROWID;
CREATE INDEX chunks_by_copies ON chunks (copies);
CREATE INDEX chunks_doubted ON chunks (doubted) WHERE doubted = 1;

-- Which chunks lie at a server, as `members` says for each: what to look at when it is gone, drained or back.
CREATE TABLE copies (
  server   INTEGER NOT NULL,
  in_sync  INTEGER NOT NULL,       -- 1: in sync; 0: former
  inode    INTEGER NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (server, in_sync, inode, position)
) WITHOUT ROWID;

-- Without a name, kept until no session has them in use.
CREATE TABLE orphans (
  inode     INTEGER PRIMARY KEY,
  since_ns  INTEGER NOT NULL       -- wall time of the removal
);

-- Copies that nobody names any more, until their server says they are gone.
CREATE TABLE frees (
  server INTEGER NOT NULL,
  chunk  INTEGER NOT NULL,
  since  INTEGER NOT NULL,         -- the commit; told to the server only when that one survives power loss
  PRIMARY KEY (server, chunk)
) WITHOUT ROWID;

CREATE TABLE servers (
  id        INTEGER PRIMARY KEY,   -- from 1, never reused
  name      TEXT NOT NULL UNIQUE,  -- in its certificate
  instance  BLOB NOT NULL UNIQUE,  -- of its data folder
  host      TEXT NOT NULL,
  port      INTEGER NOT NULL,
  back_port INTEGER NOT NULL,
  mark      INTEGER NOT NULL,      -- its journal is durable up to this lsn at least, as it said
  behind_ns INTEGER NOT NULL,      -- wall time when it came back with less; 0: never, or it was accepted
  behind_epoch INTEGER NOT NULL,   -- of the permits that were around then; 0: never
  state     INTEGER NOT NULL       -- 0: in use; 1: drained, its chunks move away; 2: removed for good
);

-- The last answer of each session's slots, for retries.
CREATE TABLE slots (
  session    INTEGER NOT NULL,
  slot       INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  sequence   INTEGER NOT NULL,
  answer     BLOB NOT NULL,
  PRIMARY KEY (session, slot)
) WITHOUT ROWID;

-- Starts of the server: a file server that has seen one that is not here has seen a newer database.
CREATE TABLE runs (
  run INTEGER PRIMARY KEY          -- random
);

-- Sessions that were declared dead, while tokens of their epoch could still be shown.
CREATE TABLE fences (
  session INTEGER PRIMARY KEY,
  number  INTEGER NOT NULL,        -- the lock server's counter
  epoch   INTEGER NOT NULL
);
