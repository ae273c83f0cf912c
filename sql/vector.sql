-- Vectors kept as real[].
SELECT infer.cosine_similarity('{1,2,3}', '{1,2,3}') AS same, infer.cosine_similarity('{1,2,3}', '{-1,-2,-3}') AS opposite,
       infer.cosine_similarity('{1,0}', '{0,1}') AS orthogonal, infer.cosine_similarity('{3,4}', '{4,3}') AS near;
SELECT infer.inner_product('{1,2,3}', '{4,5,6}'), infer.l2_distance('{1,2,3}', '{4,6,3}');
SELECT infer.cosine_similarity('{0,0}', '{1,1}') AS zero, infer.inner_product('{0,0}', '{1,1}'),
       infer.l2_distance('{0,0}', '{0,0}');
SELECT infer.cosine_similarity('{}', '{}') AS empty, infer.inner_product('{}', '{}'), infer.l2_distance('{}', '{}');
SELECT infer.cosine_similarity(NULL, '{1}'), infer.inner_product('{1}', NULL), infer.l2_distance(NULL, NULL);
SELECT infer.cosine_similarity('{1e30,1e30}', '{1e30,1e30}') AS large, infer.cosine_similarity('{1e-30}', '{1e-30}') AS small;
SELECT infer.inner_product('[5:6]={1,2}', '{3,4}') AS other_bounds;
SELECT infer.inner_product('{Infinity,1}', '{1,1}'), infer.l2_distance('{NaN}', '{1}');
SELECT infer.cosine_similarity('{1,2,3}', '{1,2}');
SELECT infer.inner_product('{1}', '{1,2}');
SELECT infer.l2_distance('{}', '{1}');
SELECT infer.inner_product('{{1,2},{3,4}}', '{{1,2},{3,4}}');
SELECT infer.l2_distance('{1,NULL}', '{1,2}');
SELECT infer.cosine_similarity((ARRAY[1,NULL]::real[])[1:1], '{1}') AS null_left_out;
