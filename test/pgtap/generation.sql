-- Every case of test/reference/generation through the SQL functions: one test a case, named after its folder, itself
-- and the rows of the feature checklist that it proves.  test/reference/README.md describes cases.json.
\set ON_ERROR_STOP on
\set QUIET on
\set root `pwd` '/test/reference/generation'
SET client_min_messages = warning;
BEGIN;
SELECT no_plan();

-- The arguments by name, as SQL.
CREATE FUNCTION pg_temp.arguments(call jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(', ' || quote_ident(key) || ' => ' ||
                      CASE WHEN key = 'bad_words_ids' OR jsonb_typeof(value) <> 'array' THEN quote_literal(value #>> '{}')
                           ELSE quote_literal(ARRAY(SELECT jsonb_array_elements_text(value))) END, '')
    FROM jsonb_each(call)
$$;

CREATE FUNCTION pg_temp.run_ids(model text, call jsonb, expect jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    got jsonb;
    scores float8[];
    first int[];
BEGIN
    EXECUTE format('SELECT jsonb_agg(to_jsonb(output_ids) ORDER BY ord), array_agg(score ORDER BY ord)
                    FROM infer.generate_ids_many(%L%s)', model, pg_temp.arguments(call)) INTO got, scores;
    IF got IS DISTINCT FROM expect -> 'sequences' THEN
        RETURN format('ids are %s, not %s', got, expect -> 'sequences');
    ELSIF EXISTS (SELECT FROM jsonb_array_elements_text(expect -> 'scores') WITH ORDINALITY AS s(score, i)
                  WHERE NOT abs(score::float8 - scores[i]) <= 2e-4) THEN
        RETURN format('scores are %s, not %s', scores, expect -> 'scores');
    END IF;
    EXECUTE format('SELECT infer.generate_ids(%L%s)', model, pg_temp.arguments(call - 'num_return_sequences')) INTO first;
    IF NOT call ? 'num_return_sequences' AND to_jsonb(first) <> expect -> 'sequences' -> 0 THEN
        RETURN format('generate_ids gives %s', first);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION pg_temp.run_text(model text, call jsonb, expect jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    got jsonb;
    first text;
BEGIN
    EXECUTE format('SELECT jsonb_agg(output ORDER BY ord) FROM infer.generate_many(%L%s)', model, pg_temp.arguments(call))
        INTO got;
    IF got IS DISTINCT FROM expect -> 'texts' THEN
        RETURN format('texts are %s, not %s', got, expect -> 'texts');
    ELSIF call ? 'num_return_sequences' THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT infer.generate(%L%s)', model, pg_temp.arguments(call)) INTO first;
    IF to_jsonb(first) <> expect -> 'texts' -> 0 THEN
        RETURN format('generate gives %L', first);
    END IF;
    EXECUTE format('SELECT string_agg(token, '''' ORDER BY ord) FROM infer.generate_stream(%L%s)', model, pg_temp.arguments(call))
        INTO first;
    IF to_jsonb(first) <> expect -> 'texts' -> 0 THEN
        RETURN format('generate_stream gives %L, not %s', first, expect -> 'texts' -> 0);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION pg_temp.run_folder(root text, folder text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    file jsonb := pg_read_file(root || '/' || folder || '/cases.json')::jsonb;
    failure text;
    "case" jsonb;
BEGIN
    PERFORM infer.create_model(folder, root || '/' || folder);
    FOR "case" IN SELECT * FROM jsonb_array_elements(file -> 'cases') LOOP
        BEGIN
            failure := CASE WHEN "case" -> 'call' ? 'prompt' THEN pg_temp.run_text(folder, "case" -> 'call', "case" -> 'expect')
                            ELSE pg_temp.run_ids(folder, "case" -> 'call', "case" -> 'expect') END;
        EXCEPTION WHEN OTHERS THEN
            failure := 'error: ' || SQLERRM;
        END;
        RETURN NEXT ok(failure IS NULL, format('%s: %s [%s]', folder, "case" ->> 'name',
                                               array_to_string(ARRAY(SELECT jsonb_array_elements_text("case" -> 'rows')), ' ')));
        IF failure IS NOT NULL THEN
            RETURN NEXT diag(failure);
        END IF;
    END LOOP;
END $$;

SELECT pg_temp.run_folder(:'root', folder) FROM pg_ls_dir(:'root') AS folder WHERE folder !~ '\.' ORDER BY folder;

SELECT * FROM finish();
ROLLBACK;
