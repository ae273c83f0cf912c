-- Every case of test/reference/pipelines through the task functions: one test a case, named after its folder, itself and
-- the rows of the feature checklist that it proves, and one a folder for the import.  test/reference/README.md
-- describes cases.json.
\set ON_ERROR_STOP on
\set QUIET on
\set root `pwd` '/test/reference/pipelines'
-- a regular expression, to run some of the folders
\if :{?pipelines}
\else
    \set pipelines ''
\endif
SET client_min_messages = warning;
BEGIN;
SELECT no_plan();

-- The arguments of a call as SQL.
CREATE FUNCTION pg_temp.arguments(call jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format(', %I => ', key) ||
                      CASE WHEN jsonb_typeof(value) = 'array' AND jsonb_typeof(value -> 0) = 'number'
                           THEN format('%L::int[]', ARRAY(SELECT jsonb_array_elements_text(value)))
                           WHEN jsonb_typeof(value) = 'array'
                           THEN format('%L::text[]', ARRAY(SELECT jsonb_array_elements_text(value)))
                           ELSE quote_literal(value #>> '{}') END, '')
    FROM jsonb_each(call)
$$;

-- What is wrong with a value; NULL: nothing.
CREATE FUNCTION pg_temp.difference(what text, actual jsonb, expected jsonb, atol float8) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    IF jsonb_typeof(expected) = 'number' AND jsonb_typeof(actual) = 'number' THEN
        IF abs(actual::text::float8 - expected::text::float8) <= atol THEN
            RETURN NULL;
        END IF;
    ELSIF jsonb_typeof(expected) = 'array' AND jsonb_typeof(actual) = 'array' THEN
        IF jsonb_array_length(actual) <> jsonb_array_length(expected) THEN
            RETURN format('%s: %s rows, not %s', what, jsonb_array_length(actual), jsonb_array_length(expected));
        END IF;
        SELECT d INTO wrong
        FROM generate_series(0, jsonb_array_length(expected) - 1) AS i,
             pg_temp.difference(format('row %s', i + 1), actual -> i, expected -> i, atol) AS d
        WHERE d IS NOT NULL LIMIT 1;
        RETURN wrong;
    ELSIF jsonb_typeof(expected) = 'object' AND jsonb_typeof(actual) = 'object' THEN
        SELECT d INTO wrong
        FROM jsonb_each(expected) AS e, pg_temp.difference(what || '.' || e.key, actual -> e.key, e.value, atol) AS d
        WHERE d IS NOT NULL LIMIT 1;
        RETURN wrong;
    ELSIF actual IS NOT DISTINCT FROM expected THEN
        RETURN NULL;
    END IF;
    RETURN format('%s is %s, not %s', what, actual, expected);
END $$;

CREATE FUNCTION pg_temp.run_case(model text, "case" jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wanted text := "case" ->> 'expect_error';
    rows boolean := EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'infer'::regnamespace AND proname = "case" ->> 'function' AND proretset);
    actual jsonb;
BEGIN
    EXECUTE format(CASE WHEN rows THEN 'SELECT coalesce(jsonb_agg(to_jsonb(r)), ''[]'') FROM infer.%I(%L%s) AS r'
                        ELSE 'SELECT coalesce(to_jsonb(infer.%I(%L%s)), ''null'')' END,
                   "case" ->> 'function', model, pg_temp.arguments("case" -> 'call')) INTO actual;
    IF wanted IS NOT NULL THEN
        RETURN 'no error, wanted one that matches ' || wanted;
    END IF;
    RETURN pg_temp.difference('it', actual, "case" -> 'expect', coalesce(("case" ->> 'atol')::float8, 1e-4));
EXCEPTION WHEN OTHERS THEN
    -- the message, or where it names the model's class
    DECLARE
        detail text;
    BEGIN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        RETURN CASE WHEN wanted IS NULL OR concat_ws(' ', SQLERRM, detail) !~* wanted THEN format('error: %s (%s)', SQLERRM, detail) END;
    END;
END $$;

CREATE FUNCTION pg_temp.run_folder(root text, directory text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    file jsonb := pg_read_file(root || '/' || directory || '/cases.json')::jsonb;
    failure text;
    "case" jsonb;
BEGIN
    BEGIN
        PERFORM infer.create_model(directory, root || '/' || directory, coalesce(file #> '{model,import_options}', '{}'));
        SELECT format('architecture is %s, not %s', m.architecture, file #>> '{model,architecture}') INTO failure
        FROM infer.models m WHERE m.name = directory AND m.architecture <> file #>> '{model,architecture}';
    EXCEPTION WHEN OTHERS THEN
        RETURN NEXT ok(false, directory || ': import');
        RETURN NEXT diag('error: ' || SQLERRM);
        RETURN;
    END;
    RETURN NEXT ok(failure IS NULL, directory || ': import');
    IF failure IS NOT NULL THEN
        RETURN NEXT diag(failure);
    END IF;
    FOR "case" IN SELECT * FROM jsonb_array_elements(file -> 'cases') LOOP
        failure := pg_temp.run_case(directory, "case");
        RETURN NEXT ok(failure IS NULL, format('%s: %s [%s]', directory, "case" ->> 'name',
                                               array_to_string(ARRAY(SELECT jsonb_array_elements_text("case" -> 'rows')), ' ')));
        IF failure IS NOT NULL THEN
            RETURN NEXT diag(failure);
        END IF;
    END LOOP;
END $$;

SELECT pg_temp.run_folder(:'root', folder) FROM pg_ls_dir(:'root') AS folder
    WHERE folder !~ '\.' AND folder ~ :'pipelines' ORDER BY folder;

SELECT * FROM finish();
ROLLBACK;
