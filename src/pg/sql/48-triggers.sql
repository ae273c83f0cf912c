-- Rows that are classified when they come.

CREATE FUNCTION infer.classify_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    keys text;
BEGIN
    SELECT string_agg(format('t.%1$I = n.%1$I', a.attname), ' AND ') INTO keys
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = TG_RELID AND i.indisprimary;
    IF keys IS NULL THEN
        RAISE EXCEPTION 'table "%" has no primary key', TG_TABLE_NAME
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Its inserted rows are found again by that.';
    END IF;
    EXECUTE pg_catalog.format('UPDATE %I.%I AS t SET %I = infer.classify(%L, n.%I) FROM infer_inserted AS n WHERE %s', TG_TABLE_SCHEMA,
                              TG_TABLE_NAME, TG_ARGV[2], TG_ARGV[1], TG_ARGV[0], keys);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION infer.classify_inserted() IS 'trigger function of infer.classify_on_insert';

CREATE FUNCTION infer.classify_on_insert(relation regclass, input_column name, model infer.model, target_column name)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted name;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[input_column, target_column] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = relation AND a.attname = wanted AND a.attnum > 0 AND NOT a.attisdropped) THEN
            RAISE EXCEPTION 'column "%" of relation "%" does not exist', wanted, relation USING ERRCODE = 'undefined_column';
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = relation AND i.indisprimary) THEN
        RAISE EXCEPTION 'table "%" has no primary key', relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Its inserted rows are found again by that.';
    END IF;
    PERFORM infer.classify(model, '');
    EXECUTE pg_catalog.format('CREATE TRIGGER %I AFTER INSERT ON %s REFERENCING NEW TABLE AS infer_inserted FOR EACH STATEMENT '
                              'EXECUTE FUNCTION infer.classify_inserted(%L, %L, %L)',
                              'infer_classify_' || target_column, relation, input_column, model, target_column);
END $$;
COMMENT ON FUNCTION infer.classify_on_insert(regclass, name, infer.model, name)
    IS 'has a trigger write the label of one column of inserted rows into another, for all rows of a statement together';

CREATE FUNCTION infer.drop_classify_on_insert(relation regclass, target_column name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE pg_catalog.format('DROP TRIGGER %I ON %s', 'infer_classify_' || target_column, relation);
END $$;
COMMENT ON FUNCTION infer.drop_classify_on_insert(regclass, name) IS 'takes away what infer.classify_on_insert has set up';
