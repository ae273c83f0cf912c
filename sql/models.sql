-- Models: made from a directory, changed, dropped; what lies in the data directory for them.
\getenv srcdir PG_ABS_SRCDIR
\set tiny :srcdir '/test/models/tiny-bert'
\set models :srcdir '/test/models'
\getenv builddir PG_ABS_BUILDDIR
\set binary :builddir '/results/model_values.bin'

-- what this database has in $PGDATA/pg_infer, and what should not lie there
CREATE VIEW files AS
WITH f AS (SELECT f FROM pg_ls_dir('pg_infer', true, false) f),
     r AS (SELECT left(f, 64) AS digest FROM f, pg_database d
           WHERE d.datname = current_database() AND f ~ ('^[0-9a-f]{64}\.' || d.oid || '$'))
SELECT (SELECT count(*) FROM r) AS "references",
       (SELECT count(*) FROM r WHERE EXISTS (SELECT FROM f WHERE f = digest || '.img')) AS images,
       (SELECT count(*) FROM f WHERE f !~ '^[0-9a-f]{64}\.(img|\d+)$') AS leftovers;

-- create
SELECT infer.create_model('tiny', :'tiny')::text ~ '^tiny@[0-9a-f]{16}$' AS created;
SELECT name, family, architecture, "precision", parameters, hidden_size, max_length, pooling, normalize, truncate,
       size > 0 AS size, state IN ('stored', 'resident') AS state, owner = current_user AS owner, description, path = :'tiny' AS path, previous,
       digest ~ '^[0-9a-f]{64}$' AS digest
FROM infer.models \gx
SELECT * FROM files;
SELECT srvname, fdwname, srvowner = current_user::regrole AS owner
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = srvfdw;
SELECT digest, left(digest, 8) AS short FROM infer.models \gset
SELECT 'tiny@' || :'short' AS tiny_short, 'twin@' || :'short' AS twin_short, 'small@' || :'short' AS small_short,
       'tiny@' || upper(:'digest') AS tiny_whole \gset

-- the same directory gives the same digest, and one image
SELECT infer.create_model('twin', :'tiny')::text ~ ('^' || :'twin_short') AS twin;
SELECT count(DISTINCT digest) FROM infer.models;
SELECT * FROM files;
SELECT infer.drop_model('twin');
SELECT * FROM files;

-- a relative path starts at pg_infer.model_directory
SET pg_infer.model_directory = :'models';
SELECT infer.create_model('relative', 'tiny-bert') IS NOT NULL AS created;
SELECT infer.create_model('escaped', '../../test/models/tiny-bert');
SET pg_infer.model_directory = '';
SELECT infer.create_model('relative2', 'tiny-bert');
RESET pg_infer.model_directory;
SELECT infer.drop_model('relative');

-- values of the type
SELECT 'tiny'::infer.model::text = 'tiny@' || left(:'digest', 16) AS output;
SELECT :'tiny_short'::infer.model OPERATOR(infer.=) 'tiny' AS by_short_digest,
       :'tiny_whole'::infer.model OPERATOR(infer.=) 'tiny' AS by_whole_digest;
\set SHOW_CONTEXT never
\set VERBOSITY terse
SELECT 'tiny@00000000'::infer.model;
\set VERBOSITY default
SELECT 'tiny@0000'::infer.model;
SELECT 'tiny@hexadecimal'::infer.model;
SELECT 'nobody'::infer.model;
SELECT 'nobody@00000000'::infer.model;
SELECT ''::infer.model;
SELECT E'ti\nny'::infer.model;
SELECT repeat('x', 64)::infer.model;
SELECT NULL::infer.model IS NULL AS is_null;
SELECT m::text::infer.model OPERATOR(infer.=) m AS round_trip FROM (VALUES ('tiny'::infer.model)) v(m);
CREATE TABLE model_values (m infer.model PRIMARY KEY);
INSERT INTO model_values VALUES ('tiny') ON CONFLICT DO NOTHING;
INSERT INTO model_values VALUES ('tiny') ON CONFLICT DO NOTHING;
SELECT count(*), count(DISTINCT m) FROM model_values;
COPY model_values TO :'binary' (FORMAT binary);
TRUNCATE model_values;
COPY model_values FROM :'binary' (FORMAT binary);
SELECT infer.model_hash(m) = infer.model_hash('tiny') AS same_hash, infer.model_cmp(m, 'tiny') AS cmp,
       m OPERATOR(infer.<) 'tiny' AS lt, m OPERATOR(infer.>=) 'tiny' AS ge FROM model_values;
DROP TABLE model_values;

-- what it says of itself
SELECT infer.config('tiny') ->> 'model_type' AS model_type, infer.config('tiny') -> 'hidden_size' AS hidden_size;
SELECT infer.labels('tiny'), infer.model_card('tiny') IS NULL AS no_card;
SELECT infer.config(NULL), infer.labels(NULL), infer.model_card(NULL);

-- options
SELECT infer.update_model('tiny', :'tiny', '{"precision": "int8", "max_length": 20, "truncate": "end", "pooling": "cls",
    "normalize": false, "labels": ["yes", "no"], "prompts": {"query": "find: "}, "description": "a small one",
    "preload": true}')::text ~ '^tiny@' AS updated;
SELECT "precision", max_length, truncate, pooling, normalize, description, digest <> :'digest' AS another,
       previous = ARRAY[:'digest'] AS previous
FROM infer.models;
SELECT infer.labels('tiny');
SELECT * FROM files;
WITH f AS MATERIALIZED (SELECT 'pg_infer/' || digest || '.' || d.oid AS f FROM infer.models, pg_database d
                        WHERE datname = current_database())
SELECT pg_read_file(f) = E'tiny\tpreload\n' AS preload FROM f;
-- the old digest is usable, and what is not given stays
SELECT infer.labels(:'tiny_short') AS old_labels;
SELECT infer.update_model('tiny', :'tiny', '{"precision": null, "description": null}') IS NOT NULL AS updated;
SELECT "precision", max_length, description, cardinality(previous) AS previous FROM infer.models;
SELECT infer.update_model('tiny', :'tiny', '{"max_length": null, "truncate": null, "pooling": null, "normalize": null,
    "labels": null, "prompts": null, "preload": null}') OPERATOR(infer.=) :'tiny_short' AS back;
SELECT digest = :'digest' AS back, cardinality(previous) AS previous FROM infer.models;
SELECT * FROM files;
SELECT infer.prune_model('tiny');
SELECT infer.prune_model('tiny');
SELECT infer.prune_model('nobody');
SELECT infer.prune_model(NULL);
SELECT digest = :'digest' AS back, previous FROM infer.models;
SELECT * FROM files;

SELECT infer.create_model('other', :'tiny', '{"colour": "blue"}');
SELECT infer.create_model('other', :'tiny', jsonb_build_object('description', repeat('x', 200000)));
SELECT infer.create_model('other', :'tiny', '{"digest": "00"}');
SELECT infer.create_model('other', :'tiny', '{"precision": "fp8"}');
SELECT infer.create_model('other', :'tiny', '{"precision": ""}');
SELECT infer.create_model('other', :'tiny', '{"max_length": 0}');
SELECT infer.create_model('other', :'tiny', '{"max_length": [1]}');
SELECT infer.create_model('other', :'tiny', '{"normalize": "perhaps"}');
SELECT infer.create_model('other', :'tiny', '{"prompts": "\"query\""}');
\set VERBOSITY sqlstate
SELECT infer.create_model('other', :'tiny', '{"architecture": "NoSuchModel"}');
\set VERBOSITY default
SELECT infer.create_model('other', :'tiny', '[]');
SELECT infer.create_model('other', :'tiny', NULL) IS NOT NULL AS created;
SELECT infer.drop_model('other');
SELECT infer.create_model(NULL, 'x'), infer.create_model('x', NULL), infer.update_model('tiny', NULL);
SELECT infer.create_model('tiny', :'tiny');
SELECT infer.create_model('a@b', :'tiny');
SELECT infer.create_model('', :'tiny');
SELECT infer.create_model(E'tab\t', :'tiny');
SELECT infer.create_model(repeat('x', 64), :'tiny');
SELECT infer.update_model('nobody', :'tiny');
SELECT infer.create_model('other', '/no/such/directory');
SELECT infer.create_model('other', '/dev/null');
\set VERBOSITY sqlstate
SELECT infer.create_model('other', :'models');
\set VERBOSITY default
SELECT count(*) FROM infer.models;
SELECT * FROM files;

-- odd names
SELECT infer.create_model('Ünïcode 模型 "quoted"', :'tiny') IS NOT NULL AS created;
SELECT 'Ünïcode 模型 "quoted"'::infer.model::text ~ '^Ünïcode 模型 "quoted"@' AS output;
SELECT infer.rename_model('Ünïcode 模型 "quoted"', 'it''s');
SELECT infer.count_tokens('it''s', 'hello world');
SELECT infer.drop_model('it''s');

-- rename: what was made under the old name finds the model by its digest
CREATE VIEW counts AS SELECT infer.count_tokens('tiny', 'hello world') AS n;
SELECT infer.rename_model('tiny', 'small');
SELECT * FROM counts;
SELECT infer.count_tokens('tiny', 'hello world');
SELECT :'tiny_short'::infer.model OPERATOR(infer.=) :'small_short' AS found;
SELECT infer.rename_model('small', 'a@b');
SELECT infer.rename_model('nobody', 'tiny');
SELECT infer.rename_model(NULL, 'tiny');
ALTER SERVER small RENAME TO "a@b";
ALTER SERVER small RENAME TO tiny;
SELECT * FROM counts;

-- a dump restores functions before servers
SET check_function_bodies = off;
SELECT 'nobody@0123456789abcdef'::infer.model;
SELECT infer.count_tokens('nobody@0123456789abcdef', 'x');
SELECT 'nobody@012345678'::infer.model;
SELECT 'nobody'::infer.model;
SELECT 'tiny@0123456789abcdef'::infer.model;
RESET check_function_bodies;
SELECT 'nobody@0123456789abcdef'::infer.model;

-- transactions
BEGIN;
SELECT infer.create_model('rolled', :'tiny', '{"max_length": 30}') IS NOT NULL AS created;
SELECT infer.count_tokens('rolled', 'hello world');
ROLLBACK;
SELECT * FROM files;
SELECT count(*) FROM infer.models;
BEGIN;
SAVEPOINT before;
SELECT infer.create_model('rolled', :'tiny', '{"max_length": 30}') IS NOT NULL AS created;
ROLLBACK TO before;
SELECT infer.create_model('kept', :'tiny', '{"max_length": 31}') IS NOT NULL AS created;
SAVEPOINT again;
SELECT infer.drop_model('tiny');
ROLLBACK TO again;
COMMIT;
SELECT name, max_length FROM infer.models ORDER BY name;
SELECT * FROM files;
BEGIN;
SELECT infer.drop_model('kept');
SELECT infer.create_model('kept', :'tiny', '{"max_length": 31}') IS NOT NULL AS created;
COMMIT;
SELECT * FROM files;
BEGIN;
SELECT infer.create_model('brief', :'tiny', '{"max_length": 32}') IS NOT NULL AS created;
SELECT infer.drop_model('brief');
COMMIT;
SELECT * FROM files;
BEGIN READ ONLY;
SELECT infer.create_model('other', :'tiny');
ROLLBACK;
SELECT infer.drop_model('kept');
SELECT infer.drop_model('kept');
SELECT infer.drop_model(NULL);

-- by hand, as pg_dump does
\set ECHO errors
SELECT format('CREATE SERVER hand FOREIGN DATA WRAPPER pg_infer OPTIONS (digest %L)', :'digest') \gexec
\set ECHO all
SELECT infer.count_tokens('hand', 'hello world');
ALTER SERVER hand OPTIONS (ADD description 'by hand');
SELECT name, description FROM infer.models ORDER BY name;
ALTER SERVER hand OPTIONS (DROP digest);
ALTER SERVER hand OPTIONS (SET digest 'abc');
ALTER SERVER hand OPTIONS (ADD colour 'blue');
CREATE SERVER no_digest FOREIGN DATA WRAPPER pg_infer;
CREATE FOREIGN TABLE no_table (a int) SERVER hand;
CREATE USER MAPPING FOR PUBLIC SERVER hand;
ALTER FOREIGN DATA WRAPPER pg_infer OPTIONS (ADD colour 'blue');
DROP SERVER hand;

-- an image that is not there
CREATE SERVER ghost FOREIGN DATA WRAPPER pg_infer
    OPTIONS (digest '00000000000000000000000000000000000000000000000000000000000000ff');
SELECT name, state, family, size FROM infer.models WHERE name = 'ghost';
SELECT infer.count_tokens('ghost', 'hello');
SELECT * FROM infer.verify_model('ghost');
SELECT infer.update_model('ghost', :'tiny') IS NOT NULL AS updated;
SELECT infer.count_tokens('ghost', 'hello');
SELECT infer.drop_model('ghost');
SELECT * FROM files;

-- a server that is no model
CREATE FOREIGN DATA WRAPPER other_wrapper;
CREATE SERVER no_model FOREIGN DATA WRAPPER other_wrapper;
SELECT 'no_model'::infer.model;
SELECT infer.create_model('no_model', :'tiny');
SELECT infer.drop_model('no_model');
DROP SERVER no_model;
DROP FOREIGN DATA WRAPPER other_wrapper;

-- residency and verification
SELECT infer.load_model('tiny');
SELECT resident, state FROM infer.models;
SELECT "check", ok FROM infer.verify_model('tiny');
SELECT infer.unload_model('tiny');
SELECT resident, state FROM infer.models;
SELECT infer.load_model(NULL), infer.unload_model(NULL);
SELECT * FROM infer.verify_model(NULL);

-- dropped while a view has it
SELECT infer.drop_model('tiny');
SELECT * FROM counts;
SELECT count(*) FROM infer.models;
SELECT * FROM files;
DROP VIEW counts;
DROP VIEW files;
