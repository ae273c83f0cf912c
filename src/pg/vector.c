/*
 * vector.c: similarity of vectors kept as real[].
 *
 * Sums are double, in the order of the elements.  Extensions with types and indexes of their own do the same
 * faster over many rows; these functions need nothing.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/float.h"

#include "pg/pg_infer.h"

/* A vector argument's numbers and their count. */
static const float4 *
vector_argument(ArrayType *array, int *n)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("a vector must have one dimension, not %d", ARR_NDIM(array))));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a vector must not contain nulls")));
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return (const float4 *) ARR_DATA_PTR(array);
}

static int
vector_pair(FunctionCallInfo fcinfo, const float4 **a, const float4 **b)
{
	int n_a, n_b;

	*a = vector_argument(PG_GETARG_ARRAYTYPE_P(0), &n_a);
	*b = vector_argument(PG_GETARG_ARRAYTYPE_P(1), &n_b);
	if (n_a != n_b)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("vectors of different lengths: %d and %d", n_a, n_b)));
	return n_a;
}

static double
dot(const float4 *a, const float4 *b, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

double
vector_cosine(const float4 *a, const float4 *b, int n)
{
	double lengths = sqrt(dot(a, a, n)) * sqrt(dot(b, b, n));
	double cosine;

	if (lengths == 0)
		return get_float8_nan();
	cosine = dot(a, b, n) / lengths;
	return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

ArrayType *
vector_make(int n)
{
	Size	   size = ARR_OVERHEAD_NONULLS(1) + (Size) n * sizeof(float4);
	ArrayType *array = palloc(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

PG_FUNCTION_INFO_V1(infer_cosine_similarity);
Datum
infer_cosine_similarity(PG_FUNCTION_ARGS)
{
	const float4 *a, *b;
	int			  n = vector_pair(fcinfo, &a, &b);

	PG_RETURN_FLOAT4(vector_cosine(a, b, n));
}

PG_FUNCTION_INFO_V1(infer_inner_product);
Datum
infer_inner_product(PG_FUNCTION_ARGS)
{
	const float4 *a, *b;
	int			  n = vector_pair(fcinfo, &a, &b);

	PG_RETURN_FLOAT4(dot(a, b, n));
}

PG_FUNCTION_INFO_V1(infer_l2_distance);
Datum
infer_l2_distance(PG_FUNCTION_ARGS)
{
	const float4 *a, *b;
	int			  n = vector_pair(fcinfo, &a, &b);
	double		  sum = 0;

	for (int i = 0; i < n; i++)
	{
		double difference = (double) a[i] - b[i];

		sum += difference * difference;
	}
	PG_RETURN_FLOAT4(sqrt(sum));
}
