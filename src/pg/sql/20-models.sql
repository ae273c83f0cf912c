-- ---- models are foreign servers of this wrapper ----

CREATE FUNCTION infer.validate_options(options text[], catalog oid) RETURNS void
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'infer_validate_options';
COMMENT ON FUNCTION infer.validate_options(text[], oid) IS 'validator of foreign-data wrapper pg_infer';

CREATE FOREIGN DATA WRAPPER pg_infer NO HANDLER VALIDATOR infer.validate_options;
COMMENT ON FOREIGN DATA WRAPPER pg_infer IS 'models; each server is one';

CREATE FUNCTION infer.create_model(name text, path text, options jsonb DEFAULT '{}') RETURNS infer.model
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'infer_create_model';
COMMENT ON FUNCTION infer.create_model(text, text, jsonb)
    IS 'makes a model from a Hugging Face directory on the server; a relative path starts at pg_infer.model_directory';

CREATE FUNCTION infer.update_model(name text, path text, options jsonb DEFAULT '{}') RETURNS infer.model
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'infer_update_model';
COMMENT ON FUNCTION infer.update_model(text, text, jsonb)
    IS 'gives a model new weights; options that are not given stay, and the old weights stay usable until pruned';

CREATE FUNCTION infer.drop_model(name text) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'infer_drop_model';
COMMENT ON FUNCTION infer.drop_model(text) IS 'drops a model; same as DROP SERVER';

CREATE FUNCTION infer.rename_model(name text, new_name text) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'infer_rename_model';
COMMENT ON FUNCTION infer.rename_model(text, text) IS 'renames a model; same as ALTER SERVER ... RENAME TO';

CREATE FUNCTION infer.prune_model(name text) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'infer_prune_model';
COMMENT ON FUNCTION infer.prune_model(text) IS 'removes the weights that infer.update_model has replaced';

CREATE FUNCTION infer.load_model(model infer.model) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000 AS 'MODULE_PATHNAME', 'infer_load_model';
COMMENT ON FUNCTION infer.load_model(infer.model) IS 'loads a model''s weights and keeps them until infer.unload_model';

CREATE FUNCTION infer.unload_model(model infer.model) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'infer_unload_model';
COMMENT ON FUNCTION infer.unload_model(infer.model) IS 'releases a model''s weights; the next use loads them again';

CREATE FUNCTION infer.verify_model(model infer.model) RETURNS TABLE ("check" text, ok boolean, detail text)
    LANGUAGE c VOLATILE PARALLEL SAFE COST 1000000 ROWS 3 AS 'MODULE_PATHNAME', 'infer_verify_model';
COMMENT ON FUNCTION infer.verify_model(infer.model)
    IS 'checks a model''s image: its checksums, its digest, and that it computes what it computed at import';

CREATE FUNCTION infer.config(model infer.model) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'infer_config';
COMMENT ON FUNCTION infer.config(infer.model) IS 'config.json of a model, with its family''s defaults for what it leaves out; NULL where it has none';

CREATE FUNCTION infer.labels(model infer.model) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'infer_labels';
COMMENT ON FUNCTION infer.labels(infer.model) IS 'labels of a model, in the order of their ids; empty where it has none';

CREATE FUNCTION infer.model_card(model infer.model) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'infer_model_card';
COMMENT ON FUNCTION infer.model_card(infer.model) IS 'README.md of a model; NULL where it has none';

CREATE FUNCTION infer.list_models(
    OUT name text, OUT digest text, OUT previous text[],
    OUT family text, OUT architecture text, OUT "precision" text, OUT pooling text, OUT truncate text,
    OUT parameters bigint, OUT hidden_size bigint, OUT max_length bigint, OUT "normalize" boolean, OUT size bigint,
    OUT state text, OUT owner oid, OUT description text, OUT path text)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE COST 1000 ROWS 10 AS 'MODULE_PATHNAME', 'infer_list_models';
COMMENT ON FUNCTION infer.list_models() IS 'what view infer.models reads';

CREATE VIEW infer.models AS
SELECT m.name, m.digest, m.family, m.architecture, m."precision", m.parameters, m.hidden_size, m.max_length, m.pooling,
       m.normalize, m.truncate, m.size, r.state IS NOT DISTINCT FROM 'resident' AS resident,
       CASE WHEN m.state = 'stored' AND r.state <> 'absent' THEN r.state ELSE m.state END AS state,
       pg_catalog.pg_get_userbyid(m.owner) AS owner, m.description, m.path, m.previous
FROM infer.list_models() m LEFT JOIN infer.residency() r USING (digest);
COMMENT ON VIEW infer.models IS 'the models of this database';
COMMENT ON COLUMN infer.models.name IS 'name of the model, and of its foreign server';
COMMENT ON COLUMN infer.models.digest IS 'SHA-256 of the image in use';
COMMENT ON COLUMN infer.models.family IS 'model_type of config.json';
COMMENT ON COLUMN infer.models.architecture IS 'class of Transformers, whose head it has';
COMMENT ON COLUMN infer.models."precision" IS 'fp32, bf16 or int8: how weights are stored';
COMMENT ON COLUMN infer.models.parameters IS 'numbers of the model, whatever their precision';
COMMENT ON COLUMN infer.models.hidden_size IS 'width of hidden states';
COMMENT ON COLUMN infer.models.max_length IS 'tokens that a text may have';
COMMENT ON COLUMN infer.models.pooling IS 'how infer.embed makes a vector of hidden states';
COMMENT ON COLUMN infer.models.normalize IS 'whether vectors of infer.embed have length 1';
COMMENT ON COLUMN infer.models.truncate IS 'what happens to longer texts: error, end or start';
COMMENT ON COLUMN infer.models.size IS 'bytes of the image';
COMMENT ON COLUMN infer.models.resident IS 'whether the weights are in memory';
COMMENT ON COLUMN infer.models.state IS 'stored (not in memory), loading, resident or failed; missing or damaged: its image';
COMMENT ON COLUMN infer.models.owner IS 'owner of the foreign server';
COMMENT ON COLUMN infer.models.description IS 'the option description';
COMMENT ON COLUMN infer.models.path IS 'the directory that it was made from';
COMMENT ON COLUMN infer.models.previous IS 'digests that infer.update_model has replaced and infer.prune_model removes';
GRANT SELECT ON infer.models TO PUBLIC;

CREATE FUNCTION infer.stat_get_imports(OUT pid integer, OUT bytes_written bigint) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 1 AS 'MODULE_PATHNAME', 'infer_stat_get_imports';
COMMENT ON FUNCTION infer.stat_get_imports() IS 'what view infer.stat_progress_import reads';

CREATE VIEW infer.stat_progress_import AS
SELECT i.pid, a.datid, a.datname, a.usename, a.query_start AS started_at, i.bytes_written
FROM infer.stat_get_imports() i JOIN pg_catalog.pg_stat_activity a USING (pid);
COMMENT ON VIEW infer.stat_progress_import IS 'infer.create_model and infer.update_model under way';
COMMENT ON COLUMN infer.stat_progress_import.pid IS 'process of the session';
COMMENT ON COLUMN infer.stat_progress_import.datid IS 'its database';
COMMENT ON COLUMN infer.stat_progress_import.datname IS 'name of its database';
COMMENT ON COLUMN infer.stat_progress_import.usename IS 'its role';
COMMENT ON COLUMN infer.stat_progress_import.started_at IS 'when its statement began';
COMMENT ON COLUMN infer.stat_progress_import.bytes_written IS 'size of the image so far, its intermediate files included';
GRANT SELECT ON infer.stat_progress_import TO PUBLIC;
