-- Every case of test/reference/families through infer.forward: one test a case, named after its folder, itself and the
-- rows of the feature checklist that it proves, and one a folder for the import.  test/reference/README.md
-- describes cases.json.
\set ON_ERROR_STOP on
\set QUIET on
\set root `pwd` '/test/reference/families'
-- a regular expression, to run some of the folders
\if :{?families}
\else
    \set families ''
\endif
SET client_min_messages = warning;
BEGIN;
SELECT no_plan();

-- A JSON array as an array literal.
CREATE FUNCTION pg_temp.literal(value jsonb) RETURNS text LANGUAGE sql AS
    $$ SELECT translate(value::text, '[]', '{}') $$;

-- infer.forward's arguments as SQL; $1 is the past of the step before.
CREATE FUNCTION pg_temp.arguments(call jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(', ' || quote_ident(key) || ' => ' ||
                      CASE WHEN value = '"$past"' THEN '$1'
                           WHEN key = 'past' THEN format('%L::bytea', '\x' || regexp_replace(value #>> '{}', '^\\?x?', ''))
                           WHEN jsonb_typeof(value) = 'array' THEN quote_literal(pg_temp.literal(value))
                           ELSE quote_literal(value #>> '{}') END, '')
    FROM jsonb_each(call)
$$;

-- Whether number i (from 0) of a field belongs to a real position.
CREATE FUNCTION pg_temp.is_real(field text, dims int[], i bigint, valid int[], mask int[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    -- valid: the flattened array; mask: its dimensions, batch and length
    SELECT CASE
        WHEN field = 'last_hidden_state' OR (field = 'logits' AND cardinality(dims) = 3) THEN valid[1 + i / dims[3]]
        WHEN field IN ('start_logits', 'end_logits') THEN valid[1 + i]
        WHEN field = 'hidden_states' THEN valid[1 + i / dims[4] % (mask[1] * mask[2])]
        WHEN field IN ('attentions', 'cross_attentions') AND cardinality(dims) = 4 THEN valid[1 + i / dims[4] % (mask[1] * mask[2])]
        WHEN field IN ('attentions', 'cross_attentions') AND dims[4] < mask[2] THEN -- chunks
            valid[1 + i / dims[5] % (dims[2] * dims[3] * dims[4])]
        WHEN field IN ('attentions', 'cross_attentions') THEN
            valid[1 + i / (dims[5]::bigint * dims[4] * dims[3]) % dims[2] * mask[2] + i / dims[5] % dims[4]]
        ELSE 1 END = 1
$$;

-- What is wrong with a field; NULL: nothing.
CREATE FUNCTION pg_temp.difference(field text, actual real[], expected jsonb, atol float8, valid jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wanted float8[] := pg_temp.literal(expected);
    dims int[] := ARRAY(SELECT array_length(actual, d) FROM generate_series(1, array_ndims(actual)) AS d);
    mask int[] := ARRAY[jsonb_array_length(valid), jsonb_array_length(valid -> 0)];
    reals int[] := ARRAY(SELECT unnest(pg_temp.literal(valid)::int[]));
    worst record;
BEGIN
    IF actual IS NULL THEN
        RETURN format('%s is NULL', field);
    ELSIF array_dims(actual) IS DISTINCT FROM array_dims(wanted) THEN
        RETURN format('%s is %s, not %s', field, array_dims(actual), array_dims(wanted));
    END IF;
    SELECT o - 1 AS i, a, w INTO worst
    FROM ROWS FROM (unnest(actual), unnest(wanted)) WITH ORDINALITY AS v(a, w, o)
    WHERE NOT (abs(a - w) <= atol OR (a = 'NaN' AND w = 'NaN')) OR (a = 'NaN') <> (w = 'NaN')
    ORDER BY valid IS NULL OR pg_temp.is_real(field, dims, o - 1, reals, mask) DESC, abs(a - w) DESC LIMIT 1;
    IF FOUND AND (valid IS NULL OR pg_temp.is_real(field, dims, worst.i, reals, mask)) THEN
        RETURN format('number %s of %s is %s, not %s', worst.i, field, worst.a, worst.w);
    END IF;
    RETURN NULL;
END $$;

-- Calls the model, compares, and leaves the past for the next step.
CREATE FUNCTION pg_temp.step(model text, step jsonb, atol float8, valid jsonb, INOUT past bytea, OUT wrong text) LANGUAGE plpgsql AS $$
DECLARE
    got infer.output;
    same infer.output;
    fields jsonb;
    problems text[] := '{}';
    problem text;
    field text;
    expected jsonb;
BEGIN
    EXECUTE format('SELECT (f).* FROM infer.forward(%L%s) AS f', model, pg_temp.arguments(step -> 'call')) INTO got USING past;
    EXECUTE format('SELECT (f).* FROM infer.forward(%L, $1) AS f', model) INTO same
        USING CASE WHEN step -> 'call' ? 'past' AND past IS NOT NULL
                   THEN step -> 'call' || jsonb_build_object('past', past) ELSE step -> 'call' END;
    IF same IS DISTINCT FROM got THEN
        problems := ARRAY['other numbers with the arguments in one object [CM-14]'];
    END IF;
    fields := jsonb_build_object('loss', got.loss IS NOT NULL, 'past', got.past IS NOT NULL);
    FOR field, expected IN SELECT * FROM jsonb_each(step -> 'expect') LOOP
        problem := NULL;
        IF field IN ('loss', 'past') THEN
            IF (fields ->> field)::boolean IS DISTINCT FROM (expected <> 'null') THEN
                problem := format('%s is %s', field, CASE WHEN expected = 'null' THEN 'not NULL' ELSE 'NULL' END);
            ELSIF field = 'loss' AND expected <> 'null' THEN
                problem := pg_temp.difference('loss', ARRAY[got.loss], jsonb_build_array(expected), atol, NULL);
            END IF;
        ELSE
            EXECUTE format('SELECT CASE WHEN $2 = ''null'' THEN CASE WHEN ($1).%1$I IS NOT NULL THEN ''%1$s is not NULL'' END
                                   ELSE pg_temp.difference(%1$L, ($1).%1$I, $2, $3, $4) END', field)
                INTO problem USING got, expected, atol, valid;
        END IF;
        problems := problems || problem;
    END LOOP;
    past := got.past;
    wrong := array_to_string(problems, '; ');
END $$;

CREATE FUNCTION pg_temp.run_case(model text, "case" jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    steps jsonb := coalesce("case" -> 'steps', jsonb_build_array("case"));
    atol float8 := coalesce(("case" ->> 'atol')::float8, 1e-4);
    wanted text := "case" ->> 'expect_error';
    past bytea;
    wrong text;
    step jsonb;
BEGIN
    FOR step IN SELECT * FROM jsonb_array_elements(steps) LOOP
        wanted := coalesce(step ->> 'expect_error', "case" ->> 'expect_error');
        SELECT s.past, s.wrong INTO past, wrong
        FROM pg_temp.step(model, step, coalesce((step ->> 'atol')::float8, atol), coalesce(step -> 'valid', "case" -> 'valid'), past) AS s;
        IF wanted IS NOT NULL AND NOT step ? 'expect' THEN
            RETURN 'no error, wanted one that matches ' || wanted;
        ELSIF wrong <> '' THEN
            RETURN wrong;
        END IF;
    END LOOP;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN CASE WHEN wanted IS NULL OR SQLERRM !~* wanted THEN 'error: ' || SQLERRM END;
END $$;

CREATE TABLE pg_temp.digests (folder text PRIMARY KEY, digest text);

CREATE FUNCTION pg_temp.run_folder(root text, directory text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    file jsonb := pg_read_file(root || '/' || directory || '/cases.json')::jsonb;
    model jsonb := file -> 'model';
    refused text := model ->> 'expect_import_error';
    model_name text := replace(directory, '/', '.');
    label text := format('%s: import [%s]', directory, array_to_string(ARRAY(SELECT jsonb_array_elements_text(model -> 'rows')), ' '));
    failure text;
    "case" jsonb;
BEGIN
    BEGIN
        PERFORM infer.create_model(model_name, root || '/' || directory, coalesce(model -> 'import_options', '{}'));
        IF refused IS NOT NULL THEN
            failure := 'no error, wanted one that matches ' || refused;
        ELSE
            INSERT INTO pg_temp.digests SELECT directory, m.digest FROM infer.models m WHERE m.name = model_name;
            SELECT format('architecture is %s, not %s', m.architecture, model ->> 'architecture') INTO failure
            FROM infer.models m WHERE m.name = model_name AND m.architecture <> model ->> 'architecture';
        END IF;
    EXCEPTION WHEN OTHERS THEN
        IF refused IS NULL OR SQLERRM !~* refused THEN
            failure := 'error: ' || SQLERRM;
        END IF;
        RETURN NEXT ok(failure IS NULL, label);
        IF failure IS NOT NULL THEN
            RETURN NEXT diag(failure);
        END IF;
        RETURN;
    END;
    RETURN NEXT ok(failure IS NULL, label);
    IF failure IS NOT NULL THEN
        RETURN NEXT diag(failure);
    END IF;
    IF refused IS NOT NULL THEN
        RETURN;
    END IF;
    FOR "case" IN SELECT * FROM jsonb_array_elements(file -> 'cases') LOOP
        failure := pg_temp.run_case(model_name, "case");
        RETURN NEXT ok(failure IS NULL, format('%s: %s [%s]', directory, "case" ->> 'name',
                                               array_to_string(ARRAY(SELECT jsonb_array_elements_text("case" -> 'rows')), ' ')));
        IF failure IS NOT NULL THEN
            RETURN NEXT diag(failure);
        END IF;
    END LOOP;
END $$;

CREATE TABLE pg_temp.folders AS
    SELECT dir AS folder FROM pg_ls_dir(:'root') AS dir WHERE dir <> 'formats' AND dir !~ '\.'
    UNION ALL
    SELECT 'formats/' || dir FROM pg_ls_dir(:'root' || '/formats') AS dir;

SELECT pg_temp.run_folder(:'root', folder) FROM pg_temp.folders
    WHERE folder ~ :'families' ORDER BY folder;

-- The same weights give the same digest, whatever they came in.
SELECT is(d.digest, other.digest, format('%s: same digest as %s [CM-01 CM-02 CM-03 CM-04 CM-05]', d.folder, other.folder))
FROM pg_temp.digests d
     JOIN LATERAL (SELECT pg_read_file(:'root' || '/' || d.folder || '/cases.json')::jsonb #>> '{model,same_digest_as}' AS name) AS same ON true
     JOIN pg_temp.digests other ON other.folder = same.name
ORDER BY d.folder;

-- There are more of them than models that a cluster serves at a time: those that were used longest ago have left.
SELECT ok(count(DISTINCT digest) > 256 AND count(DISTINCT digest) FILTER (WHERE m.resident) BETWEEN 200 AND 256,
          'older models have made room for newer ones')
FROM pg_temp.digests d JOIN infer.models m USING (digest) HAVING :'families' = '';
SELECT * FROM finish();
ROLLBACK;
