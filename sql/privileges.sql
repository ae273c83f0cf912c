-- Who may do what with models.
\getenv srcdir PG_ABS_SRCDIR
\set tiny :srcdir '/test/models/tiny-bert'
\set models :srcdir '/test/models'
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_infer_owner, regress_infer_user, regress_infer_reader;
RESET client_min_messages;
CREATE ROLE regress_infer_owner;
CREATE ROLE regress_infer_user;
CREATE ROLE regress_infer_reader IN ROLE pg_read_server_files;
SELECT infer.create_model('tiny', :'tiny') IS NOT NULL AS created;

-- a user without rights sees models, and uses none
SET ROLE regress_infer_user;
SELECT name, family FROM infer.models;
SELECT infer.count_tokens('tiny', 'hello');
SELECT infer.embed('tiny', 'hello');
SELECT infer.config('tiny');
SELECT * FROM infer.verify_model('tiny');
SELECT infer.load_model('tiny');
SELECT infer.drop_model('tiny');
SELECT infer.rename_model('tiny', 'mine');
SELECT infer.prune_model('tiny');
SELECT infer.update_model('tiny', :'tiny');
SELECT infer.create_model('mine', :'tiny');
SET pg_infer.model_directory = '/';
SELECT infer.stat_reset();
RESET ROLE;

-- USAGE is enough to use one, at once and until it is revoked
GRANT USAGE ON FOREIGN SERVER tiny TO regress_infer_user;
SET ROLE regress_infer_user;
SELECT infer.count_tokens('tiny', 'hello');
SELECT cardinality(infer.embed('tiny', 'hello'));
SELECT bool_and(ok) FROM infer.verify_model('tiny');
SELECT infer.load_model('tiny');
SELECT infer.unload_model('tiny');
SELECT infer.drop_model('tiny');
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER tiny FROM regress_infer_user;
SET ROLE regress_infer_user;
SELECT infer.count_tokens('tiny', 'hello');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER tiny TO regress_infer_owner;
GRANT regress_infer_owner TO regress_infer_user;
SET ROLE regress_infer_user;
SELECT infer.count_tokens('tiny', 'hello');
RESET ROLE;
REVOKE regress_infer_owner FROM regress_infer_user;
SET ROLE regress_infer_user;
SELECT infer.count_tokens('tiny', 'hello');
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER tiny FROM regress_infer_owner;

-- inside a function that runs as its owner
CREATE FUNCTION owner_counts(t text) RETURNS int LANGUAGE sql SECURITY DEFINER
    AS $$ SELECT infer.count_tokens('tiny', t) $$;
SET ROLE regress_infer_user;
SELECT owner_counts('hello');
SELECT infer.count_tokens('tiny', 'hello');
RESET ROLE;
DROP FUNCTION owner_counts;

-- creating takes USAGE on the wrapper; an absolute path takes pg_read_server_files
GRANT USAGE ON FOREIGN DATA WRAPPER pg_infer TO regress_infer_user, regress_infer_owner, regress_infer_reader;
SET pg_infer.model_directory = :'models';
SET ROLE regress_infer_user;
SELECT infer.create_model('mine', '/tmp');
SELECT infer.create_model('mine', '../..');
SELECT infer.create_model('mine', 'tiny-bert/../../models/tiny-bert');
SELECT infer.create_model('mine', 'tiny-bert') IS NOT NULL AS created;
SELECT infer.count_tokens('mine', 'hello');
SELECT infer.load_model('mine');
SELECT infer.unload_model('mine');
SELECT name, owner FROM infer.models WHERE name = 'mine';
SET ROLE regress_infer_reader;
SELECT infer.create_model('theirs', :'tiny') IS NOT NULL AS created;
SELECT infer.drop_model('mine');
SELECT infer.drop_model('theirs');
RESET ROLE;
-- the owner may change
ALTER SERVER mine OWNER TO regress_infer_owner;
SET ROLE regress_infer_user;
SELECT infer.drop_model('mine');
SET ROLE regress_infer_owner;
SELECT infer.rename_model('mine', 'ours');
SELECT infer.update_model('ours', 'tiny-bert', '{"max_length": 12}') IS NOT NULL AS updated;
SELECT infer.prune_model('ours');
SELECT infer.drop_model('ours');
RESET ROLE;
RESET pg_infer.model_directory;

-- a value that holds the digest is not enough, nor is a server made for it
SELECT digest, 'tiny@' || digest AS whole FROM infer.models \gset
SET ROLE regress_infer_user;
CREATE SERVER stolen FOREIGN DATA WRAPPER pg_infer OPTIONS (digest :'digest');
RESET ROLE;
SET pg_infer.model_directory = :'models';
SET ROLE regress_infer_user;
SELECT infer.create_model('mine', 'tiny-bert', '{"max_length": 13}') IS NOT NULL AS created;
ALTER SERVER mine OPTIONS (ADD previous :'digest');
ALTER SERVER mine OPTIONS (SET digest :'digest');
ALTER SERVER mine OPTIONS (ADD description 'mine');
ALTER SERVER mine RENAME TO still_mine;
SELECT infer.drop_model('still_mine');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER tiny TO regress_infer_user;
SET ROLE regress_infer_user;
CREATE SERVER shared FOREIGN DATA WRAPPER pg_infer OPTIONS (digest :'digest');
DROP SERVER shared;
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER tiny FROM regress_infer_user;
RESET pg_infer.model_directory;
SET ROLE regress_infer_user;
SELECT infer.count_tokens(:'whole', 'hello');
RESET ROLE;
DROP OWNED BY regress_infer_user, regress_infer_owner, regress_infer_reader;
DROP ROLE regress_infer_owner, regress_infer_user, regress_infer_reader;
SELECT infer.drop_model('tiny');
