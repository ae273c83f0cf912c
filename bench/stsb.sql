-- Spearman's correlation of cosine similarities with the scores of an STS-B file: sentence1,sentence2,score without a
-- header.  psql -v file=... -v model=...
\set ON_ERROR_STOP on
CREATE TEMP TABLE pairs (a text, b text, score float8);
\set copy '\\copy pairs FROM ' :'file' ' WITH (FORMAT csv)'
:copy
WITH similarities AS (
    SELECT score, infer.similarity(:'model', a, b) AS cosine FROM pairs
), ranks AS (
    -- equal values share the mean of their ranks
    SELECT rank() OVER (ORDER BY score) + (count(*) OVER (PARTITION BY score) - 1) / 2.0 AS score,
           rank() OVER (ORDER BY cosine) + (count(*) OVER (PARTITION BY cosine) - 1) / 2.0 AS cosine
    FROM similarities
)
SELECT count(*) AS pairs, round(corr(score, cosine)::numeric, 6) AS spearman FROM ranks;
